"""The scheduler service: nodes, queue, placement, and the engines that start runners."""
