"""Content credentials within files: an XMP packet that says how a file came to be."""

from typing import Final
from xml.sax.saxutils import quoteattr

from models.core.artifacts import Provenance

TOOL: Final = "Orrery"
SOURCE_TYPES: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"
NAMESPACE: Final = "urn:orrery:provenance:1:"

_SPACES: Final = {
    "xmlns:rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "xmlns:xmp": "http://ns.adobe.com/xap/1.0/",
    "xmlns:Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "xmlns:orrery": NAMESPACE,
}
ISO_UUID: Final = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
"""The user type of boxes that hold XMP in ISO base media files (ISO 16684-3)."""
_BEGIN: Final = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
_END: Final = '<?xpacket end="r"?>'


def source_type(provenance: Provenance) -> str:
    """The IPTC term for how a file was made: by a trained model, and from what."""
    return (
        "compositeWithTrainedAlgorithmicMedia" if provenance.inputs else "trainedAlgorithmicMedia"
    )


def credentials(provenance: Provenance) -> dict[str, str]:
    """What a file says of itself: names within `NAMESPACE`, and values."""
    values = provenance.model_dump(mode="json", exclude_none=True)
    values["inputs"] = " ".join(provenance.inputs)
    return {name: str(value) for name, value in values.items() if value != ""}


def json_packet(provenance: Provenance) -> dict[str, object]:
    """The same as JSON-LD, for files that hold it so (KHR_xmp_json_ld)."""
    spaces = {name.removeprefix("xmlns:"): space for name, space in _SPACES.items()}
    said = {f"orrery:{name}": value for name, value in credentials(provenance).items()}
    return {"@context": spaces, "@id": "", **_common(provenance), **said}


def _common(provenance: Provenance) -> dict[str, str]:
    return {
        "xmp:CreatorTool": TOOL,
        "Iptc4xmpExt:DigitalSourceType": SOURCE_TYPES + source_type(provenance),
    }


def packet(provenance: Provenance) -> bytes:
    """An XMP packet, UTF-8.

    Source: ISO 16684-1 (XMP); IPTC Photo Metadata Standard, property DigitalSourceType.
    """
    attributes = {
        "rdf:about": "",
        **_common(provenance),
        **{f"orrery:{name}": value for name, value in credentials(provenance).items()},
    }
    spaces = " ".join(f"{name}={quoteattr(value)}" for name, value in _SPACES.items())
    said = " ".join(f"{name}={quoteattr(value)}" for name, value in attributes.items())
    return (
        f'{_BEGIN}<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {spaces}>'
        f"<rdf:Description {said}/></rdf:RDF></x:xmpmeta>{_END}"
    ).encode()


def iso_box(xmp: bytes) -> bytes:
    """A packet as a box to append to an ISO base media file: AVIF, MP4."""
    return (24 + len(xmp)).to_bytes(4, "big") + b"uuid" + ISO_UUID + xmp
