"""Evidence: digests, signatures, time stamps, and one sealed file for one act. Knows nothing of contacts or pages.

The interface that the rest of the house calls (all of it blocks: use ``asyncio.to_thread``)::

    provider = open_provider(config.data_dir, config.tsa)         # once per process; keys are made at the first start
    sealed = seal(Act(id, contact, title, members, events), target, provider)   # target: ....evidence.zip
    report = check_container(path, provider.roots)                # .trusted: whole and ours; .findings
    signed = sign_pdf(content, Mark(...), provider)               # PAdES B-T, an incremental update
    report = check_pdf(content, provider.roots)

``Provider`` is the one interface behind which a certified machine may take over: digest, sign, time stamp, seal.
``switchboard verify FILE`` checks both kinds of file without server or database; ``court_page()`` is the page with
which a court does so in a browser.
"""

from switchboard.evidence.checking import check_container, manifest_of
from switchboard.evidence.container import SUFFIX, Act, Member, Sealed, seal
from switchboard.evidence.digests import Digests, Hasher, digests_of, digests_of_bytes
from switchboard.evidence.errors import EvidenceError
from switchboard.evidence.findings import Finding, Report
from switchboard.evidence.provider import LocalProvider, Provider, open_provider
from switchboard.evidence.tsa import TsaSettings

__all__ = [
    "SUFFIX",
    "Act",
    "Digests",
    "EvidenceError",
    "Finding",
    "Hasher",
    "LocalProvider",
    "Member",
    "Provider",
    "Report",
    "Sealed",
    "TsaSettings",
    "check_container",
    "digests_of",
    "digests_of_bytes",
    "manifest_of",
    "open_provider",
    "seal",
]
