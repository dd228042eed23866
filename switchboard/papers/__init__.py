"""Papers: rendered from frozen values, signed in order, kept whole. And whatever citizens send, made anew on arrival.

The interface that the rest of the house calls::

    from switchboard.papers.model import MediationAgreement, ...   # the six kinds; frozen values
    from switchboard.papers.papers import Signing
    from switchboard.papers.handwriting import Handwriting

    papers = house.papers
    content = await papers.preview(MediationAgreement(...))        # a draft to look at; nothing is kept
    paper = await papers.make(contact, MediationAgreement(...), by="v001", key="case-7-agreement")
    hand = Handwriting.read(json)                                  # {"width", "height", "strokes": [[[x, y, ms]]]}
    paper = await papers.sign(paper.id, Signing(signer="p1", base=paper.head, identity="ic-17", hand=hand))
    paper = await papers.refuse(paper.id, signer="p2", base=paper.head, reason="...")
    paper = await papers.withdraw(paper.id, by="v001", reason="...")
    paper = await papers.of(ident); several = await papers.of_contact(contact)
    content = await papers.content(paper)                          # the PDF as it stands, checked

``paper.state`` is ``signing`` (``paper.turn`` names who is next), ``signed``, ``final`` (nobody has to sign),
``by_hand`` (marriage, adoption, inheritance: printed and signed on paper; ``sign`` raises ElectronicNotAllowed),
``refused`` or ``withdrawn``. ``paper.head`` is the SHA-256 of the file as it stands and changes with every
signature: ``sign`` takes the ``head`` that the signer saw and raises PaperMoved when it is another one now. Doing
anything twice changes nothing.

    upload = await house.uploads.take(contact, by="t-1", media_type="image/jpeg", title="身份证", content=...)
    upload.pages, upload.pdf                                       # clean files: JPEG or PNG; a PDF where it was one
    file = house.uploads.path(upload.pages[0].sha256)

    sealed = await house.sealing.seal(contact, act="case-7", title="...", facts={"kind": "mediation"}, by="m001")
    sealed.file                                                    # one container with all of it (switchboard.evidence)

All raise PaperError (each with ``code``, ``zh``, ``en``) and RecordsAway.
"""
