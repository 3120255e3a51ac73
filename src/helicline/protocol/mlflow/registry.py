"""The registry on the wire. Prompts ride on it: they are registered models with a tag."""

from __future__ import annotations

from typing import Any

from helicline import registry
from helicline.clock import epoch_ms
from helicline.errors import NotFound
from helicline.protocol.mlflow.call import Call, pairs, pruned
from helicline.protocol.mlflow.errors import WireError
from helicline.records.model import ModelVersion, PromotionRequest, RegisteredModel
from helicline.store.unit import Reader, Tx


def version_as_wire(version: ModelVersion, aliases: dict[str, int]) -> dict[str, Any]:
    return pruned(
        name=version.model,
        version=str(version.number),
        creation_timestamp=epoch_ms(version.created_at),
        last_updated_timestamp=epoch_ms(version.updated_at),
        user_id=version.created_by,
        current_stage=version.stage,
        description=version.description,
        source=version.source,
        run_id=version.run_id,
        model_id=version.model_id,
        status=version.status,
        tags=pairs(version.tags),
        aliases=[alias for alias, number in aliases.items() if number == version.number],
    )


def model_as_wire(tx: Reader, model: RegisteredModel) -> dict[str, Any]:
    aliases = registry.aliases(tx, model.name)
    latest = registry.latest_by_stage(registry.versions(tx, model.name))
    return pruned(
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


async def create_model(call: Call) -> Any:
    name, tags, text = call.fields.required("name"), call.fields.pairs("tags"), call.fields.text("description")
    return {
        "registered_model": await call.write(
            lambda tx: model_as_wire(tx, registry.create_model(tx, name, tags=tags, description=text))
        )
    }


async def get_model(call: Call) -> Any:
    name = call.fields.required("name")
    return {"registered_model": await call.read(lambda tx: model_as_wire(tx, registry.get_model(tx, name)))}


async def update_model(call: Call) -> Any:
    name, text = call.fields.required("name"), call.fields.text("description")
    return {"registered_model": await call.write(lambda tx: model_as_wire(tx, registry.describe_model(tx, name, text)))}


async def rename_model(call: Call) -> Any:
    name, new_name = call.fields.required("name"), call.fields.required("new_name")
    return {
        "registered_model": await call.write(lambda tx: model_as_wire(tx, registry.rename_model(tx, name, new_name)))
    }


async def delete_model(call: Call) -> Any:
    name = call.fields.required("name")
    await call.write(lambda tx: registry.delete_model(tx, name))
    return {}


async def search_models(call: Call) -> Any:
    fields = call.fields
    text, order, token = fields.filter(), fields.texts("order_by"), fields.text("page_token")
    size = fields.integer("max_results", 100) or 0

    def view(tx: Reader) -> dict[str, Any]:
        models, following = registry.search_models(tx, filter=text, order_by=order, max_results=size, page_token=token)
        return pruned(registered_models=[model_as_wire(tx, model) for model in models], next_page_token=following)

    return await call.read(view)


async def set_model_tag(call: Call) -> Any:
    name, key, value = call.fields.required("name"), call.fields.required("key"), call.fields.text("value")
    await call.write(lambda tx: registry.tag_model(tx, name, key, value))
    return {}


async def delete_model_tag(call: Call) -> Any:
    name, key = call.fields.required("name"), call.fields.required("key")
    await call.write(lambda tx: registry.untag_model(tx, name, key))
    return {}


async def latest_versions(call: Call) -> Any:
    name, stages = (
        call.fields.required("name"),
        {registry.checked_stage(stage) for stage in call.fields.texts("stages")},
    )

    def view(tx: Reader) -> list[dict[str, Any]]:
        latest = registry.latest_by_stage(registry.versions(tx, name))
        return [_with_aliases(tx, version) for version in latest if not stages or version.stage in stages]

    return pruned(model_versions=await call.read(view))


async def create_version(call: Call) -> Any:
    fields = call.fields
    name, source, run_id = fields.required("name"), fields.required("source"), fields.text("run_id")
    model_id, tags, text = fields.text("model_id"), fields.pairs("tags"), fields.text("description")
    registry.check_claim(source, run_id=run_id, model_id=model_id)
    version = await call.write(
        lambda tx: registry.register(
            tx, name, source=source, run_id=run_id, model_id=model_id, tags=tags, description=text
        )
    )
    return {"model_version": version_as_wire(version, {})}


async def get_version(call: Call) -> Any:
    name, number = call.fields.required("name"), call.fields.version()
    return {"model_version": await call.read(lambda tx: _with_aliases(tx, registry.get_version(tx, name, number)))}


async def update_version(call: Call) -> Any:
    name, number, text = call.fields.required("name"), call.fields.version(), call.fields.text("description")
    return {
        "model_version": await call.write(
            lambda tx: _with_aliases(tx, registry.describe_version(tx, name, number, text))
        )
    }


async def delete_version(call: Call) -> Any:
    name, number = call.fields.required("name"), call.fields.version()
    await call.write(lambda tx: registry.delete_version(tx, name, number))
    return {}


async def search_versions(call: Call) -> Any:
    fields = call.fields
    text, order, token = fields.filter(), fields.texts("order_by"), fields.text("page_token")
    size = fields.integer("max_results", 200_000) or 0

    def view(tx: Reader) -> dict[str, Any]:
        versions, following = registry.search_versions(
            tx, filter=text, order_by=order, max_results=size, page_token=token
        )
        aliases = {name: registry.aliases(tx, name) for name in {version.model for version in versions}}
        items = [version_as_wire(version, aliases[version.model]) for version in versions]
        return pruned(model_versions=items, next_page_token=following)

    return await call.read(view)


async def download_uri(call: Call) -> Any:
    name, number = call.fields.required("name"), call.fields.version()

    uri = await call.read(lambda tx: registry.download_uri(tx, registry.get_version(tx, name, number)))
    return {"artifact_uri": uri}


async def set_version_tag(call: Call) -> Any:
    name, number = call.fields.required("name"), call.fields.version()
    key, value = call.fields.required("key"), call.fields.text("value")
    await call.write(lambda tx: registry.tag_version(tx, name, number, key, value))
    return {}


async def delete_version_tag(call: Call) -> Any:
    name, number, key = call.fields.required("name"), call.fields.version(), call.fields.required("key")
    await call.write(lambda tx: registry.untag_version(tx, name, number, key))
    return {}


async def transition_stage(call: Call) -> Any:
    name, number, stage = call.fields.required("name"), call.fields.version(), call.fields.required("stage")
    archive = call.fields.flag("archive_existing_versions")

    def move(tx: Tx) -> PromotionRequest | dict[str, Any]:
        moved = registry.move_to_stage(tx, name, number, stage, archive_others=archive)
        return moved if isinstance(moved, PromotionRequest) else _with_aliases(tx, moved)

    answer = await call.write(move)
    if isinstance(answer, PromotionRequest):  # which is kept, though the client is refused
        raise registry.protected_by(answer)
    return {"model_version": answer}


async def set_alias(call: Call) -> Any:
    name, alias, number = call.fields.required("name"), call.fields.required("alias"), call.fields.version()
    moved = await call.write(lambda tx: registry.point_or_ask(tx, name, alias, number))
    if isinstance(moved, PromotionRequest):  # which is kept, though the client is refused
        raise registry.protected_by(moved)
    return {}


async def delete_alias(call: Call) -> Any:
    name, alias = call.fields.required("name"), call.fields.required("alias")
    await call.write(lambda tx: registry.unpoint(tx, name, alias))
    return {}


async def get_by_alias(call: Call) -> Any:
    name, alias = call.fields.required("name"), call.fields.required("alias")

    def view(tx: Reader) -> dict[str, Any]:
        number = registry.number_at(tx, name, alias)
        version = registry.get_version(tx, name, number)
        return _with_aliases(tx, version)

    try:
        return {"model_version": await call.read(view)}
    except NotFound as error:
        if error.noun == "alias":
            raise WireError("INVALID_PARAMETER_VALUE", f"Registered model alias {alias} not found.") from None
        raise
