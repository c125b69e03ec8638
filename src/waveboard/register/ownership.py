"""Which loops own a gap, and which gaps and loops a loop owns, from both sides. Worked out for the whole register at once."""

from collections.abc import Mapping

from waveboard.register.view import GapState, LoopState, View


def owners(view: View) -> Mapping[str, tuple[LoopState, ...]]:
    """Every gap's owners: the loop it names; where it names none, each loop whose own file lists it. None where that loop is nowhere."""
    named = _names(view)
    listed: dict[str, list[LoopState]] = {}
    for loop in view.loops.values():
        for gap in loop.loop.gaps:
            listed.setdefault(gap, []).append(loop)
    found: dict[str, tuple[LoopState, ...]] = {}
    for gap, state in view.gaps.items():
        if state.parent_loop:
            found[gap] = (named[state.parent_loop],) if state.parent_loop in named else ()
        else:
            found[gap] = tuple(listed.get(gap, ()))
    return found


def owned(view: View) -> Mapping[str, tuple[GapState, ...]]:
    """The same from the other side: every loop's gaps, by its id."""
    found: dict[str, list[GapState]] = {name: [] for name in view.loops}
    for gap, loops in owners(view).items():
        for loop in loops:
            found[loop.loop.id].append(view.gaps[gap])
    return {name: tuple(gaps) for name, gaps in found.items()}


def below(view: View, loop: LoopState) -> tuple[LoopState, ...]:
    """The loops it owns."""
    named = _names(view)
    return tuple(state for state in view.loops.values() if state.parent_loop and named.get(state.parent_loop) is loop)


def _names(view: View) -> Mapping[str, LoopState]:
    """Loops by what others call them, as `View.loop` finds them: its id before the name of any file."""
    files = {state.loop.also: state for state in reversed(list(view.loops.values())) if state.loop.also}
    return {**files, **view.loops}
