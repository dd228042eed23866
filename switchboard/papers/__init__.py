"""Papers: rendered from frozen values, signed in order, kept whole. And whatever citizens send, made anew on arrival.

The interface that the rest of the house calls (``papers = house.papers``)::

    paper = await papers.make(contact, MediationAgreement(...), by="v001", key="case-7-agreement")
    paper = await papers.sign(paper.id, Signing(signer="p1", base=paper.head, identity="ic-17", hand=Handwriting(...)))
    paper = await papers.refuse(paper.id, signer="p2", base=paper.head, reason="...")
    paper = await papers.withdraw(paper.id, by="v001", reason="...")
    paper = await papers.of(ident); several = await papers.of_contact(contact)
    content = await papers.content(paper)                          # the PDF as it stands, checked against its digest

``paper.state`` is ``signing`` (``paper.turn`` names who is next), ``signed``, ``final`` (nobody has to sign),
``by_hand`` (marriage, adoption, inheritance: printed and signed on paper; ``sign`` raises ElectronicNotAllowed),
``refused`` or ``withdrawn``. ``paper.head`` is the SHA-256 of the file as it stands and changes with every
signature: ``sign`` takes the ``head`` that the signer saw and raises PaperMoved when it is another one now. Doing
anything twice changes nothing.

    upload = await uploads.take(contact, by="t-1", media_type="image/jpeg", source=chunks)   # raises UploadRefused ...
    upload.pages                                                   # clean JPEG or PNG files; upload.pdf when it
    was a PDF

All raise PaperError (each with ``code``, ``zh``, ``en``) and RecordsAway.
"""
