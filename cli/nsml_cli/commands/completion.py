"""`nsml completion`: what a shell needs to complete our commands."""

import sys

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(*, shell: str) -> None:
    r"""Print completion for your shell.

    \b
    bash:  echo 'eval "$(nsml completion bash)"' >> ~/.bashrc
    zsh:   echo 'eval "$(nsml completion zsh)"' >> ~/.zshrc
    fish:  nsml completion fish > ~/.config/fish/completions/nsml.fish
    """
    from nsml_cli.app import nsml

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"There is no completion for {shell}.")
    sys.stdout.write(kind(nsml, {}, "nsml", "_NSML_COMPLETE").source())
