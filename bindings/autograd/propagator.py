"""Seismograms and static offsets of torch tensors: what differentiates them, backward and forward.

Motion is linear in moment and force. Its derivatives are products with kernels, which are recomputed when
they are needed; the kernels of moment and force can themselves be differentiated with respect to the place
and the time of the source, and those of the place with moment and force, from the location kernels of the
elementary sources. Other second derivatives are not known, and asking for them raises. Results are float64,
on the device of the source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from dislok.arrays import Record
from dislok.kernels.backend import Kernel
from dislok.layers import PROPERTIES, LayeredModel

from .functions import Batch, Context, Dims, Found, Given, Rule

if TYPE_CHECKING:
    from dislok.propagator import PointSource, Stations

PLACE = ("x", "y", "depth", "time")
NAMES = (*PLACE, "moment", "force", *PROPERTIES)
# What multiplies the derivatives of one kind: sources, properties of layers.
_GROUPS = {"moment": ("moment",), "force": ("force",), "location": PLACE, "layers": PROPERTIES}


class Functions(NamedTuple):
    """What computes a motion with its derivatives from plain numbers.

    Attributes
    ----------
    kernels, layer_kernels : callable
        Of `dislok.propagator`, for motion or for static offsets.
    source : type
        Of point sources.
    """

    kernels: Kernel
    layer_kernels: Kernel
    source: Kernel


class Call(NamedTuple):
    """What is not differentiated.

    Attributes
    ----------
    functions : Functions
        Of motion or of static offsets.
    record : tuple
        (dt, n), or () for static offsets.
    """

    functions: Functions
    model: LayeredModel
    stations: Stations
    record: tuple
    keywords: Record

    def kernels(self, tensors: Sequence[Tensor | None], wanted: set[str]) -> dict[str, Tensor]:
        """Kernels by the name of their group, "layers" with one axis for all of them; "motion" as well."""
        model, source = self._plain(tensors)
        groups = {name: name in wanted for name in ("moment", "force", "location")}
        made = self.functions.kernels(model, source, self.stations, *self.record, **self.keywords, **groups)
        found = {name: getattr(made, name) for name, asked in groups.items() if asked}
        found["motion"] = made.seismogram
        asked = [name in wanted for name in PROPERTIES]
        if any(asked):
            rows = np.repeat(np.array(asked)[:, None], len(model.layers().vp), axis=1)
            keywords = {name: value for name, value in self.keywords.items() if name != "backend"}
            layers = self.functions.layer_kernels(
                model, source, self.stations, *self.record, **keywords, wanted=rows
            )
            at = source.depth.ndim + 1
            found["layers"] = layers.reshape(*layers.shape[:at], -1, *layers.shape[at + 2 :])
        return {name: torch.as_tensor(value) for name, value in found.items()}

    def elementary(self, tensors: Sequence[Tensor | None], group: str) -> Tensor:
        """Location kernels of unit moments or forces: S + (n_stations, element, 4, 3[, n])."""
        model, source = self._plain(tensors)
        count = 6 if group == "moment" else 3
        units = (torch if isinstance(source.depth, Tensor) else np).eye(count)
        if isinstance(units, Tensor):
            units = units.to(source.depth)
        x, y, depth, time = (getattr(source, name)[..., None] + 0.0 * units[0] for name in PLACE)
        strength = {group: units + 0.0 * depth[..., None], "moment" if group == "force" else "force": None}
        each = self.functions.source(x, y, depth, time=time, **strength)
        made = self.functions.kernels(model, each, self.stations, *self.record, **self.keywords, moment=False)
        axis = source.depth.ndim
        return torch.as_tensor(made.location).movedim(axis, axis + 1)

    def _plain(self, tensors: Sequence[Tensor | None]) -> tuple[LayeredModel, PointSource]:
        """Model and source without gradients: NumPy arrays of tensors on the CPU."""
        plain = [None if t is None else t.detach() for t in tensors]
        given = {
            name: t.numpy() if t is not None and t.device.type == "cpu" else t
            for name, t in zip(NAMES, plain, strict=True)
        }
        lossy = (self.model.qp, self.model.qs, self.model.reference_frequency)
        thickness, vp, vs, rho = (given.pop(name) for name in PROPERTIES)
        return LayeredModel(thickness, vp, vs, rho, *lossy), self.functions.source(**given)


def _differentiable(
    functions: Functions,
    model: LayeredModel,
    source: PointSource,
    stations: Stations,
    record: tuple,
    keywords: dict,
) -> Tensor:
    """The result as a tensor that knows its derivatives."""
    fields = source._asdict()
    given = fields | {name: getattr(model, name) for name in PROPERTIES}
    for name, value in given.items():
        if isinstance(value, Tensor) and not value.is_floating_point():
            raise TypeError(f"{name} must be a floating-point tensor, got {value.dtype}")
    devices = {name: v.device for name, v in fields.items() if isinstance(v, Tensor)}
    device = next(iter(devices.values()), torch.device("cpu"))
    for name, value in given.items():
        where = device if name in fields else torch.device("cpu")
        if isinstance(value, Tensor) and value.device != where:
            raise TypeError(f"{name} must be a tensor on {where}, got one on {value.device}")

    def tensor(name: str) -> Given:
        where = device if name in fields else torch.device("cpu")
        return (
            None if given[name] is None else torch.as_tensor(given[name], device=where, dtype=torch.float64)
        )

    tensors = _in_one_shape({name: tensor(name) for name in NAMES})
    return _Motion.apply(Call(functions, model, stations, record, keywords), *tensors)


# Dynamo would trace into the kernels' Python.
differentiable: Any = torch.compiler.disable(_differentiable)


def _in_one_shape(tensors: dict[str, Given]) -> list[Given]:
    """Place and time in the shape S of the sources, moments as six numbers; in the order of `NAMES`."""
    try:
        place = dict(zip(PLACE, torch.broadcast_tensors(*(tensors[name] for name in PLACE)), strict=True))
    except RuntimeError:
        return list(tensors.values())  # what does not fit is named by the checks of the kernels
    moment = tensors["moment"]
    if moment is not None and moment.shape[-2:] == (3, 3):
        # the kernels read one triangle: half of a gradient goes to each element of a pair
        even = 0.5 * (moment + moment.transpose(-1, -2))
        if torch.allclose(even.detach(), moment.detach(), rtol=1e-9, atol=0.0):
            parts = [even[..., i, j] for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))]
            moment = torch.stack(parts, -1)
    strengths = {"moment": moment, "force": tensors["force"]}
    for name, count in (("moment", 6), ("force", 3)):
        strength = strengths[name]
        if strength is not None and strength.shape == (count,):
            strengths[name] = strength.expand(*place["depth"].shape, count)
    return list((tensors | place | strengths).values())


class _Motion(torch.autograd.Function):
    """Motion as a function of `NAMES`."""

    @staticmethod
    def forward(call: Call, *tensors: Given) -> Tensor:
        return call.kernels(tensors, set())["motion"]

    @staticmethod
    def setup_context(ctx: Context, inputs: Given, output: Given) -> None:
        _remember(ctx, inputs)

    @staticmethod
    def backward(ctx: Context, grad: Tensor) -> Found:  # pyright: ignore
        kernels, tensors = _kernels(ctx, ctx.needs_input_grad[1:])
        axes = "sct"[: 2 + len(ctx.call.record) // 2]
        found: dict[str, Tensor] = {}
        for group, kernel in kernels.items():
            slope = torch.einsum(f"...{axes},...sp{axes[1:]}->...p", grad, kernel.to(grad.device))
            if group == "layers":
                total = slope.reshape(-1, len(PROPERTIES), slope.shape[-1] // len(PROPERTIES)).sum(0)
                found |= dict(zip(PROPERTIES, total.cpu().unbind(0), strict=True))
            elif group == "location":
                found |= dict(zip(PLACE, slope.unbind(-1), strict=True))
            else:
                found[group] = slope
        wanted = zip(NAMES, tensors, ctx.needs_input_grad[1:], strict=True)
        return (None, *(found[name] if asked and t is not None else None for name, t, asked in wanted))

    @staticmethod
    def jvp(ctx: Context, *tangents: Given) -> Tensor:
        tangents = tangents[1:]
        kernels, tensors = _kernels(ctx, [t is not None for t in tangents])
        named = {n: t for n, t in zip(NAMES, tangents, strict=True) if t is not None}
        like = dict(zip(NAMES, tensors, strict=True))
        total: Any = 0.0
        for group, kernel in kernels.items():
            parts = [named.get(name, torch.zeros_like(like[name])) for name in _GROUPS[group]]
            along = parts[0] if len(parts) == 1 else torch.stack(parts, -1)
            if group == "layers":
                along = along.transpose(-1, -2).reshape(-1)
            axes = "sct"[: 2 + len(ctx.call.record) // 2]
            operand = "p" if group == "layers" else "...p"
            total = total + torch.einsum(
                f"...sp{axes[1:]},{operand}->...{axes}", kernel, along.to(kernel.device)
            )
        return total

    @staticmethod
    def vmap(info: Batch, in_dims: Dims, call: Call, *tensors: Given) -> Found:  # pyright: ignore
        return _one_by_one(_Motion, info, in_dims, call, tensors), 0


def _remember(ctx: Context, inputs: Given) -> None:
    """Keep the call and its tensors for both modes."""
    call, *tensors = inputs
    ctx.call, ctx.given = call, [t is not None for t in tensors]
    kept = [t for t in tensors if t is not None]
    ctx.save_for_backward(*kept)
    ctx.save_for_forward(*kept)


def _recalled(ctx: Context) -> list[Given]:
    saved = iter(ctx.saved_tensors)
    return [next(saved) if given else None for given in ctx.given]


def _kernels(ctx: Context, asked: Sequence[bool]) -> tuple[dict[str, Tensor], list[Given]]:
    """Kernels with respect to what is asked, which know their own derivatives; and the tensors."""
    tensors = _recalled(ctx)
    names = {n for n, yes, t in zip(NAMES, asked, tensors, strict=True) if yes and t is not None}
    groups = [group for group, members in _GROUPS.items() if names & set(members)]
    wanted = names & set(PROPERTIES) | set(groups)
    made = _Kernels.apply(ctx.call, tuple(groups), frozenset(wanted), *tensors)
    return dict(zip(groups, made, strict=True)), tensors


class _Kernels(torch.autograd.Function):
    """The kernels of some groups as functions of `NAMES`."""

    @staticmethod
    def forward(call: Call, groups: tuple[str, ...], wanted: frozenset[str], *tensors: Given) -> tuple:
        made = call.kernels(tensors, set(wanted))
        return tuple(made[group] for group in groups)

    @staticmethod
    def setup_context(ctx: Context, inputs: Given, output: Given) -> None:
        call, groups, _, *tensors = inputs
        ctx.groups = groups
        ctx.set_materialize_grads(False)
        _remember(ctx, (call, *tensors))

    @staticmethod
    def backward(ctx: Context, *grads: Given) -> Found:  # pyright: ignore
        tensors = _recalled(ctx)
        given = {g: v for g, v in zip(ctx.groups, grads, strict=True) if v is not None}
        asked = [n for n, yes in zip(NAMES, ctx.needs_input_grad[3:], strict=True) if yes]
        _refuse(given, asked)
        found: dict[str, Given] = dict.fromkeys(NAMES)
        axes = "ct"[: 1 + len(ctx.call.record) // 2]
        for strength in ("moment", "force"):
            place = strength in given and set(asked) & set(PLACE)
            if not place and not ("location" in given and strength in asked):
                continue
            unit = _Elementary.apply(ctx.call, strength, *tensors)
            if place:
                slopes = torch.einsum(f"...sep{axes},...se{axes}->...p", unit, given[strength]).unbind(-1)
                for name, slope in zip(PLACE, slopes, strict=True):
                    found[name] = slope if found[name] is None else found[name] + slope
            if "location" in given and strength in asked:
                found[strength] = torch.einsum(f"...sep{axes},...sp{axes}->...e", unit, given["location"])
        return (None, None, None, *(found[n] if n in asked else None for n in NAMES))

    @staticmethod
    def jvp(ctx: Context, *tangents: Given) -> Found:
        tensors = dict(zip(NAMES, _recalled(ctx), strict=True))
        along = {n: t for n, t in zip(NAMES, tangents[3:], strict=True) if t is not None}
        _refuse(dict.fromkeys(ctx.groups), list(along))
        axes = "ct"[: 1 + len(ctx.call.record) // 2]
        place = [along.get(n, torch.zeros_like(tensors[n])) for n in PLACE]
        units = {
            g: _Elementary.apply(ctx.call, g, *tensors.values())
            for g in ("moment", "force")
            if tensors[g] is not None
        }
        result = []
        for group in ctx.groups:
            if group == "location":
                terms = [
                    torch.einsum(f"...sep{axes},...e->...sp{axes}", units[g], along[g])
                    for g in units
                    if g in along
                ]
                result.append(sum(terms[1:], terms[0]) if terms else None)
            else:
                result.append(
                    torch.einsum(f"...sep{axes},...p->...se{axes}", units[group], torch.stack(place, -1))
                )
        return tuple(result)

    @staticmethod
    def vmap(info: Batch, in_dims: Dims, call: Call, *inputs: Given) -> Found:  # pyright: ignore
        groups, wanted, *tensors = inputs
        made = _each(info, in_dims[3:], tensors, lambda *one: _Kernels.apply(call, groups, wanted, *one))
        return tuple(torch.stack(each) for each in zip(*made, strict=True)), (0,) * len(groups)


def _refuse(groups: Mapping[str, object], asked: Sequence[str]) -> None:
    """Raise an error for second derivatives that are not known."""
    unknown = set(asked) & set(PROPERTIES)
    if "location" in groups:
        unknown |= set(asked) & set(PLACE)
    if "layers" in groups:
        unknown |= set(asked)
    if unknown:
        raise NotImplementedError(
            "second derivatives of seismograms and static offsets are known for moment and force with x, y,"
            f" depth and time, not for {', '.join(groups)} with {', '.join(sorted(unknown))}"
        )


class _Elementary(torch.autograd.Function):
    """Location kernels of unit moments or forces; third derivatives are not known."""

    @staticmethod
    def forward(call: Call, group: str, *tensors: Given) -> Tensor:
        return call.elementary(tensors, group)

    @staticmethod
    def setup_context(ctx: Context, inputs: Given, output: Given) -> None:
        pass

    @staticmethod
    def backward(ctx: Context, grad: Tensor) -> Found:  # pyright: ignore
        raise NotImplementedError("third derivatives of seismograms and static offsets are not known")

    @staticmethod
    def jvp(ctx: Context, *tangents: Given) -> Found:
        raise NotImplementedError("third derivatives of seismograms and static offsets are not known")

    @staticmethod
    def vmap(info: Batch, in_dims: Dims, call: Call, *inputs: Given) -> Found:  # pyright: ignore
        group, *tensors = inputs
        made = _each(info, in_dims[2:], tensors, lambda *one: _Elementary.apply(call, group, *one))
        return torch.stack(made), 0


def _one_by_one(function: Rule, info: Batch, in_dims: Dims, call: Call, tensors: Sequence[Given]) -> Tensor:
    return torch.stack(_each(info, in_dims[1:], tensors, lambda *one: function.apply(call, *one)))


def _each(info: Batch, dims: Dims, tensors: Sequence[Given], function: Rule) -> list[Given]:
    """A function of every element of a batch."""
    return [
        function(*(t if d is None else t.select(d, i) for t, d in zip(tensors, dims, strict=True)))
        for i in range(info.batch_size)
    ]
