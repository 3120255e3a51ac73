"""The model registry in the MLflow protocol. Prompts are registered models with a tag."""

from __future__ import annotations

from typing import Any

from helicline import registry
from helicline.clock import epoch_ms
from helicline.errors import NotFound
from helicline.protocol.mlflow.errors import WireError
from helicline.protocol.mlflow.request import Request, non_empty, pairs
from helicline.records.model import ModelVersion, PromotionRequest, RegisteredModel
from helicline.store.unit import Reader, Tx


def version_as_wire(version: ModelVersion, aliases: dict[str, int]) -> dict[str, Any]:
    return non_empty(
        name=version.model,
        version=str(version.number),
        creation_timestamp=epoch_ms(version.created_at),
        last_updated_timestamp=epoch_ms(version.updated_at),
        user_id=version.created_by,
        current_stage=version.stage,
        source=version.source,
        model_id=version.model_id,
        status=version.status,
        tags=pairs(version.tags),
        aliases=[alias for alias, number in aliases.items() if number == version.number],
    ) | {"description": version.description, "run_id": version.run_id, "run_link": version.run_link}


def model_as_wire(tx: Reader, model: RegisteredModel) -> dict[str, Any]:
    aliases = registry.aliases(tx, model.name)
    latest = registry.latest_by_stage(registry.versions(tx, model.name))
    return non_empty(
        name=model.name,
        creation_timestamp=epoch_ms(model.created_at),
        last_updated_timestamp=epoch_ms(model.updated_at),
        description=model.description,
        latest_versions=[version_as_wire(version, aliases) for version in latest],
        tags=pairs(model.tags),
        aliases=[{"alias": alias, "version": str(number)} for alias, number in aliases.items()],
    )


def _with_aliases(tx: Reader, version: ModelVersion) -> dict[str, Any]:
    return version_as_wire(version, registry.aliases(tx, version.model))


async def create_model(request: Request) -> Any:
    name, tags, text = request.fields.required("name"), request.fields.pairs("tags"), request.fields.text("description")
    return {
        "registered_model": await request.write(
            lambda tx: model_as_wire(tx, registry.create_model(tx, name, tags=tags, description=text))
        )
    }


async def get_model(request: Request) -> Any:
    name = request.fields.required("name")
    return {"registered_model": await request.read(lambda tx: model_as_wire(tx, registry.get_model(tx, name)))}


async def update_model(request: Request) -> Any:
    name, text = request.fields.required("name"), request.fields.text("description")
    return {
        "registered_model": await request.write(lambda tx: model_as_wire(tx, registry.describe_model(tx, name, text)))
    }


async def rename_model(request: Request) -> Any:
    name, new_name = request.fields.required("name"), request.fields.required("new_name")
    return {
        "registered_model": await request.write(lambda tx: model_as_wire(tx, registry.rename_model(tx, name, new_name)))
    }


async def delete_model(request: Request) -> Any:
    name = request.fields.required("name")
    await request.write(lambda tx: registry.delete_model(tx, name))
    return {}


async def search_models(request: Request) -> Any:
    fields = request.fields
    text, order, token = fields.filter(), fields.texts("order_by"), fields.text("page_token")
    size = fields.integer("max_results", 100) or 0

    def view(tx: Reader) -> dict[str, Any]:
        models, next_token = registry.search_models(tx, filter=text, order_by=order, max_results=size, page_token=token)
        return non_empty(registered_models=[model_as_wire(tx, model) for model in models], next_page_token=next_token)

    return await request.read(view)


async def set_model_tag(request: Request) -> Any:
    name, key, value = request.fields.required("name"), request.fields.required("key"), request.fields.text("value")
    await request.write(lambda tx: registry.tag_model(tx, name, key, value))
    return {}


async def delete_model_tag(request: Request) -> Any:
    name, key = request.fields.required("name"), request.fields.required("key")
    await request.write(lambda tx: registry.untag_model(tx, name, key))
    return {}


async def latest_versions(request: Request) -> Any:
    name, stages = (
        request.fields.required("name"),
        {registry.checked_stage(stage) for stage in request.fields.texts("stages")},
    )

    def view(tx: Reader) -> list[dict[str, Any]]:
        latest = registry.latest_by_stage(registry.versions(tx, name))
        return [_with_aliases(tx, version) for version in latest if not stages or version.stage in stages]

    return non_empty(model_versions=await request.read(view))


async def create_version(request: Request) -> Any:
    fields = request.fields
    name, source, run_id = fields.required("name"), fields.required("source"), fields.text("run_id")
    model_id, tags, text = fields.text("model_id"), fields.pairs("tags"), fields.text("description")
    link = fields.text("run_link")
    registry.check_claim(source, run_id=run_id, model_id=model_id)
    version = await request.write(
        lambda tx: registry.register(
            tx, name, source=source, run_id=run_id, model_id=model_id, tags=tags, description=text, run_link=link
        )
    )
    return {"model_version": version_as_wire(version, {})}


async def get_version(request: Request) -> Any:
    name, number = request.fields.required("name"), request.fields.version()
    return {"model_version": await request.read(lambda tx: _with_aliases(tx, registry.get_version(tx, name, number)))}


async def update_version(request: Request) -> Any:
    name, number, text = request.fields.required("name"), request.fields.version(), request.fields.text("description")
    return {
        "model_version": await request.write(
            lambda tx: _with_aliases(tx, registry.describe_version(tx, name, number, text))
        )
    }


async def delete_version(request: Request) -> Any:
    name, number = request.fields.required("name"), request.fields.version()
    await request.write(lambda tx: registry.delete_version(tx, name, number))
    return {}


async def search_versions(request: Request) -> Any:
    fields = request.fields
    text, order, token = fields.filter(), fields.texts("order_by"), fields.text("page_token")
    size = fields.integer("max_results", 200_000) or 0

    def view(tx: Reader) -> dict[str, Any]:
        versions, next_token = registry.search_versions(
            tx, filter=text, order_by=order, max_results=size, page_token=token
        )
        aliases = {name: registry.aliases(tx, name) for name in {version.model for version in versions}}
        items = [version_as_wire(version, aliases[version.model]) for version in versions]
        return non_empty(model_versions=items, next_page_token=next_token)

    return await request.read(view)


async def download_uri(request: Request) -> Any:
    name, number = request.fields.required("name"), request.fields.version()

    uri = await request.read(lambda tx: registry.download_uri(tx, registry.get_version(tx, name, number)))
    return {"artifact_uri": uri}


async def set_version_tag(request: Request) -> Any:
    name, number = request.fields.required("name"), request.fields.version()
    key, value = request.fields.required("key"), request.fields.text("value")
    await request.write(lambda tx: registry.tag_version(tx, name, number, key=key, value=value))
    return {}


async def delete_version_tag(request: Request) -> Any:
    name, number, key = request.fields.required("name"), request.fields.version(), request.fields.required("key")
    await request.write(lambda tx: registry.untag_version(tx, name, number, key))
    return {}


async def transition_stage(request: Request) -> Any:
    name, number, stage = request.fields.required("name"), request.fields.version(), request.fields.required("stage")
    archive = request.fields.flag("archive_existing_versions")

    def move(tx: Tx) -> PromotionRequest | dict[str, Any]:
        moved = registry.move_to_stage(tx, name, number, stage, archive_others=archive)
        return moved if isinstance(moved, PromotionRequest) else _with_aliases(tx, moved)

    answer = await request.write(move)
    if isinstance(answer, PromotionRequest):  # the request stays recorded, though the client gets an error
        raise registry.protected_by(answer)
    return {"model_version": answer}


async def set_alias(request: Request) -> Any:
    name, alias, number = request.fields.required("name"), request.fields.required("alias"), request.fields.version()
    moved = await request.write(lambda tx: registry.point_or_ask(tx, name, alias, number))
    if isinstance(moved, PromotionRequest):  # the request stays recorded, though the client gets an error
        raise registry.protected_by(moved)
    return {}


async def delete_alias(request: Request) -> Any:
    name, alias = request.fields.required("name"), request.fields.required("alias")
    await request.write(lambda tx: registry.unpoint(tx, name, alias))
    return {}


async def get_by_alias(request: Request) -> Any:
    name, alias = request.fields.required("name"), request.fields.required("alias")

    def view(tx: Reader) -> dict[str, Any]:
        number = registry.number_at(tx, name, alias)
        version = registry.get_version(tx, name, number)
        return _with_aliases(tx, version)

    try:
        return {"model_version": await request.read(view)}
    except NotFound as error:
        if error.noun == "alias":
            raise WireError("INVALID_PARAMETER_VALUE", f"Registered model alias {alias} not found.") from None
        raise
