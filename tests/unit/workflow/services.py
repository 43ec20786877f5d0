"""Services with small schemas, for graphs in tests."""

from models.workflow.contract import Service

NUMBER = {"type": "number"}
TEXT = {"type": "string"}
PICTURE = {
    "type": "object",
    "properties": {"id": TEXT, "width": {"type": "integer"}},
    "required": ["id", "width"],
    "additionalProperties": False,
}


def record(required: dict[str, object], **optional: object) -> dict[str, object]:
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
        "additionalProperties": False,
    }


SERVICES = {
    service.uses: service
    for service in (
        Service("fraud.analyze", record({"amount": NUMBER}), record({"score": NUMBER})),
        Service(
            "image.generate",
            record({"prompt": TEXT}, style={"enum": ["photo", "anime"]}, seed=NUMBER),
            record(
                {
                    "images": {"type": "array", "items": {"$ref": "#/$defs/Picture"}},
                    "note": {"anyOf": [TEXT, {"type": "null"}]},
                }
            )
            | {"$defs": {"Picture": PICTURE}},
        ),
        Service("video.generate", record({"image": TEXT}), record({"video": TEXT})),
        Service("any.echo", {}, {}),
    )
}
