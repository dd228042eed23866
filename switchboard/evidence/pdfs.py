"""Signatures in PDFs: PAdES B-T (ETSI EN 319 142-1), each an incremental update that covers all that was before it.

The house signs, with the provider's key, on behalf of whoever wrote their name: the picture of the handwriting
stands in the signer's box, and ``reason`` names identity check, strokes and document. First comes the house's own
certification, after which nothing but the signature fields that are there already can be filled in.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from dataclasses import dataclass

from asn1crypto import algos, cms, x509
from PIL import Image
from pyhanko.pdf_utils.images import PdfImage
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.layout import AxisAlignment, InnerScaling, SimpleBoxLayoutRule
from pyhanko.sign.fields import MDPPerm, SigFieldSpec, SigSeedSubFilter, append_signature_field
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner
from pyhanko.sign.signers.pdf_cms import Signer
from pyhanko.sign.timestamps import TimeStamper
from pyhanko.stamp import StaticStampStyle
from pyhanko_certvalidator.registry import SimpleCertificateStore

from switchboard.evidence.provider import Provider

SEAL_FIELD = "House"
_SIGNATURE_BYTES = 72
"""The longest DER signature of P-256."""


@dataclass(frozen=True, slots=True)
class Field:
    """A signer's box: page from 0; left, bottom, right, top in points from the lower left corner."""

    name: str
    page: int
    rectangle: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Mark:
    """One signature. ``name``, ``reason`` and ``place`` go into the signature's dictionary; ``picture`` (PNG) into the
    field's box."""

    field: str
    name: str
    reason: str
    place: str
    picture: bytes


class PdfSealer:
    """Signs PDFs with a provider. All methods block, and raise what the provider raises. Keep one: the size of the
    authority's stamps is asked once."""

    def __init__(self, provider: Provider) -> None:
        self._signer = _ProviderSigner(provider)
        self._stamper = _ProviderStamper(provider)

    def prepare(self, pdf: bytes, fields: Sequence[Field], place: str) -> bytes:
        """The PDF with empty fields and the house's certification; without fields nothing may follow at all."""
        writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
        for field in fields:
            left, bottom, right, top = (round(edge) for edge in field.rectangle)
            spec = SigFieldSpec(field.name, on_page=field.page, box=(left, bottom, right, top))
            append_signature_field(writer, spec)
        permission = MDPPerm.FILL_FORMS if fields else MDPPerm.NO_CHANGES
        return self._sign(
            writer,
            PdfSignatureMetadata(
                field_name=SEAL_FIELD,
                name="12348",
                reason="made by the switchboard",
                location=place,
                certify=True,
                docmdp_permissions=permission,
                md_algorithm="sha256",
                subfilter=SigSeedSubFilter.PADES,
            ),
        )

    def sign(self, pdf: bytes, mark: Mark) -> bytes:
        """The PDF with one more signature. Raises ValueError where there is no such field or it is filled."""
        writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
        picture = PdfImage(Image.open(io.BytesIO(mark.picture)), writer=writer)
        fitting = SimpleBoxLayoutRule(
            x_align=AxisAlignment.ALIGN_MID,
            y_align=AxisAlignment.ALIGN_MID,
            inner_content_scaling=InnerScaling.SHRINK_TO_FIT,
        )
        style = StaticStampStyle(
            border_width=0, background=picture, background_opacity=1.0, background_layout=fitting
        )
        return self._sign(
            writer,
            PdfSignatureMetadata(
                field_name=mark.field,
                name=mark.name,
                reason=mark.reason,
                location=mark.place,
                md_algorithm="sha256",
                subfilter=SigSeedSubFilter.PADES,
            ),
            style,
        )

    def _sign(
        self,
        writer: IncrementalPdfFileWriter,
        metadata: PdfSignatureMetadata,
        style: StaticStampStyle | None = None,
    ) -> bytes:
        signer = PdfSigner(metadata, self._signer, timestamper=self._stamper, stamp_style=style)
        out = signer.sign_pdf(writer, existing_fields_only=style is not None)
        return bytes(out.getbuffer())


class _ProviderSigner(Signer):
    """pyHanko's signer, with the key wherever the provider has it."""

    def __init__(self, provider: Provider) -> None:
        first, *others = (x509.Certificate.load(der) for der in provider.certificates)
        store = SimpleCertificateStore()
        store.register_multiple(others)
        mechanism = algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"})
        super().__init__(signing_cert=first, cert_registry=store, signature_mechanism=mechanism)
        self._provider = provider

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        if dry_run:
            return bytes(_SIGNATURE_BYTES)
        return await asyncio.to_thread(self._provider.sign, data)


class _ProviderStamper(TimeStamper):
    """pyHanko's source of stamps."""

    def __init__(self, provider: Provider) -> None:
        super().__init__()
        self._provider = provider

    async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> cms.ContentInfo:
        token = await asyncio.to_thread(self._provider.time_stamp, message_digest)
        return cms.ContentInfo.load(token)
