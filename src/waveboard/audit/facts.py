"""A bundle into facts: every probe of the shelf, each failing for its own noun only. Pure; the same bundle, the same facts."""

from collections.abc import Mapping

from waveboard.audit import bundle as bundles
from waveboard.audit.probe import Probe, shelf
from waveboard.model.errors import EvidenceError
from waveboard.model.evidence import Bundle, Evidence
from waveboard.model.facts import HostFacts, Unavailable


def read(bundle: Bundle, digest: str = "") -> HostFacts:
    """Facts of one host. digest: the bundle's, when the caller has it already."""
    nouns = {probe.gives: Unavailable(bundle.failure) if bundle.failure else _noun(probe, bundle.probes) for probe in shelf()}
    return HostFacts(bundle.host, bundle.collected_at, bundle.identity, digest or bundles.digest(bundle), nouns)


def _noun(probe: Probe, sections: Mapping[str, Evidence]) -> object:
    missing = [name for name in probe.needs if name not in sections]
    if missing:
        return Unavailable(f"{missing[0]}: not collected")
    try:
        return probe.parse(sections)
    except EvidenceError as error:
        return Unavailable(error.because)
    except Exception as error:  # a parser's own fault may cost this noun its answer, never the fleet its audit
        return Unavailable(f"{probe.needs[0]}: cannot be read ({type(error).__name__})")
