"""What the engine reports of a run's model: how many of its variables the checkpoint fills, and which are new."""

from __future__ import annotations

from typing import Any

from odtool.pipeline.checks.finding import Finding


def check_restored_weights(report: dict[str, Any], resumed_from: int | None) -> Finding:
    """Whether the model gets weights from its checkpoint.

    Args:
        report: see `odtool.engine.restore_check.examine`.
        resumed_from: step of the run's own newest checkpoint, from which training would continue instead.
    """
    subject = "model"
    size = f"{report['variables']} variables, {report['parameters']:,} parameters"
    if resumed_from is not None:
        return Finding("ok", subject, f"{size}; training continues from the run's own ckpt-{resumed_from}")
    if report["checkpoint"] is None:
        return Finding("ok", subject, f"{size}, all new")
    summary = size if "restored" not in report else f"{size}; {_describe_restored(report)}"
    if report["error"]:
        usual = "Use a checkpoint of the same architecture, with fine_tune_checkpoint_type detection: odtool configure"
        return Finding("error", subject, f"{report['error']} ({summary})", report.get("hint") or usual)
    if not report["restored"]:
        return Finding(
            "error",
            subject,
            f"the checkpoint restores nothing of the model ({summary})",
            "See: odtool configure --checkpoint",
        )
    return Finding("ok", subject, summary)


def _describe_restored(report: dict[str, Any]) -> str:
    share = report["restored_parameters"] / max(report["parameters"], 1)
    kind = report["checkpoint_type"]
    text = f"{report['restored']} restored by name and shape ({share:.0%} of the parameters, type {kind})"
    if report["new"]:
        text += f", {len(report['new'])} new: {', '.join(_name_parts(report['new']))}"
    if report["left"]:
        text += f"; {len(report['left'])} of the checkpoint's {report['checkpoint_variables']} are not used"
    return text


def _name_parts(new: list[dict[str, Any]]) -> list[str]:
    """The parts of the model that new variables belong to; in full where they are few."""
    if len(new) <= 4:
        return [f"{variable['name']} {variable['shape']}" for variable in new]
    return sorted({"/".join(variable["name"].split("/")[:2]) for variable in new})
