"""The policy: who gets room, where, when, and why the others wait. Pure: a view in, a plan out."""
