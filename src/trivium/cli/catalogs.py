"""The verb that shows what there is to choose from."""

import json
from typing import Annotated

import typer
from rich.console import Console

from trivium.cli.root import Json, app, friendly


@app.command(
    epilog="Examples: trivium catalog; trivium catalog losses; trivium catalog mish; trivium catalog schedules.step"
)
def catalog(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="An entry, or one catalog; all of them if left out.")
    ] = None,
    lang: Annotated[
        str, typer.Option(metavar="LANGUAGE", help="en or zh; what is not translated stays English.")
    ] = "en",
    as_json: Json = False,
) -> None:
    """Show the activations, losses, optimizers, schedules and initializers: all, or one with its facts and picture."""
    with friendly():
        from trivium import cards
        from trivium.report.cards import list_as_json, print_card, print_list

        if name is None or name in cards.CATALOGS:
            chosen = list(cards.CATALOGS) if name is None else [name]
            if as_json:
                print(json.dumps(list_as_json(chosen, lang), ensure_ascii=False))
            else:
                print_list(chosen, Console(), lang)
            return
        found = [cards.card(*place, lang) for place in cards.find(name)]
        if as_json:
            print(json.dumps([card.to_json() for card in found], ensure_ascii=False))
            return
        for index, card in enumerate(found):
            if index:
                print()
            print_card(card, Console(), lang)
