"""torch: loads of networks, by the functions that read them from files.

A file of weights is loaded when they are put into a network (``load_state_dict``): reading them is part of that load.
Weights that come from memory (another network's, kept ones) are no load.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import islice
from types import ModuleType
from typing import Any, cast
from weakref import ref

from pytest_aifootprint.detection.inprocess.identity import NOBODY, Subject, Subjects
from pytest_aifootprint.detection.inprocess.rows import Rows, Span
from pytest_aifootprint.detection.inprocess.torch_identity import Describe, Origin, origin_of
from pytest_aifootprint.detection.inprocess.watching import Count, Done, loading
from pytest_aifootprint.detection.patching import Arming
from pytest_aifootprint.quantities.unfaked import REAL

_LOOKED_AT = 8  # tensors of a file: enough to know them again


class _Read(threading.local):
    """The last file of weights that was read in this thread: where it is, some of its tensors, and what it took."""

    origin = Origin()
    tensors: tuple[Callable[[], Any], ...] = ()
    span: Span | None = None


class Loads:
    """Watches loads.

    Args:
        library: torch. networks: whose. describe: hears where they are from.
    """

    def __init__(self, library: Any, arming: Arming, rows: Rows, networks: Subjects, describe: Describe) -> None:
        self._torch = library
        self._arming = arming
        self._rows = rows
        self._networks = networks
        self._describe = describe
        self._read = _Read()

    def watch(self) -> None:
        """Patch what loads."""
        torch = self._torch
        self._function(self._loaded, (torch.serialization, "load"), (torch, "load"))
        self._function(self._scripted, (torch.jit._serialization, "load"), (torch.jit, "load"))  # noqa: SLF001
        self._function(self._from_hub, (torch.hub, "load"))
        if hasattr(torch, "export"):  # since 2.1
            self._function(self._exported, (torch.export, "load"))
            self._arming.replace(torch.export.ExportedProgram, "module", self._module_of)
        self._arming.replace(torch.nn.Module, "load_state_dict", self._into)

    def _function(self, loaded: Count, home: tuple[ModuleType, str], *also: tuple[ModuleType, str]) -> None:
        """Patch a function in its module, and where else it is: with one object, by which it can be pickled."""
        module, name = cast("tuple[Any, str]", home)
        original = vars(module)[name]

        def put_back(place: ModuleType, alias: str) -> None:
            if vars(place).get(alias) is wrapper:
                setattr(place, alias, vars(module)[name])

        places = [(place, alias) for place, alias in also if vars(place).get(alias) is original]
        for place, alias in places:  # undone last of all
            self._arming.on_undo(lambda place=place, alias=alias: put_back(place, alias))  # type: ignore[misc]
        self._arming.replace(module, name, lambda found: loading(self._arming, "torch", found, loaded, method=False))
        wrapper = vars(module)[name]
        for place, alias in places:
            setattr(place, alias, wrapper)

    def _loaded(self, _: None, done: Done, /) -> None:
        """``torch.load``: of a whole network, or of weights for one."""
        result = done.result
        origin = origin_of(done.argument(0, "f"), named=isinstance(result, self._torch.nn.Module))
        if isinstance(result, self._torch.nn.Module):
            self._count(result, done, origin)
        elif isinstance(result, dict):
            read = self._read
            read.tensors = tuple(ref(tensor) for tensor in islice(self._tensors(result, nested=True), _LOOKED_AT * 8))
            read.origin, read.span = origin, done.span

    def _scripted(self, _: None, done: Done, /) -> None:
        self._count(done.result, done, origin_of(done.argument(0, "f"), named=True))

    def _exported(self, _: None, done: Done, /) -> None:
        self._count(done.result, done, origin_of(done.argument(0, "f"), named=True))

    def _from_hub(self, _: None, done: Done, /) -> None:
        """``torch.hub.load``: of what the repository calls a model; some return tools beside it."""
        repository, model = str(done.argument(0, "repo_or_dir")), str(done.argument(1, "model"))
        result = done.result
        if isinstance(result, (tuple, list)):
            result = next((part for part in result if isinstance(part, self._torch.nn.Module)), None)
        if done.kwargs.get("source", "github") == "local":
            origin = Origin(model, origin_of(repository, named=False).file)
        else:
            repository, revision = repository.partition(":")[::2]
            origin = Origin(f"{repository}/{model}", None, revision or None)
        if done.failed or isinstance(result, self._torch.nn.Module):
            self._count(result, done, origin)

    def _count(self, network: Any, done: Done, origin: Origin) -> None:
        if done.failed:
            self._rows.load(NOBODY, done.span, failed=True)
            return
        self._describe.origins.put(network, origin)
        self._rows.load(self._subject(network), done.span)

    def _subject(self, network: Any) -> Subject:
        self._networks.forget(network)
        return self._networks.of(network)

    def _module_of(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """``ExportedProgram.module``: the network is from where the program is from."""
        origins = self._describe.origins

        def module(program: Any, /, *args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            network = original(program, *args, **kwargs)
            if self._arming.active and (origin := origins.get(program)) is not None:
                origins.put(network, origin)
            return network

        return module

    def _into(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """``Module.load_state_dict``."""
        arming, nesting = self._arming, self._arming.nesting

        def load_state_dict(network: Any, /, *args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            if not arming.active:
                return original(network, *args, **kwargs)
            started_ns, cpu_ns = REAL.monotonic_ns(), REAL.process_time_ns()
            result = original(network, *args, **kwargs)
            try:
                span = Span(started_ns, REAL.monotonic_ns(), REAL.process_time_ns() - cpu_ns)
                weights = args[0] if args else kwargs.get("state_dict")
                if nesting.loading or not self._was_read(weights):
                    self._networks.forget(network)
                else:
                    self._filled(network, span)
            except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
                arming.recorder.error("torch", error)
            return result

        return load_state_dict

    def _was_read(self, weights: Any) -> bool:
        """Whether weights are those of the file that was read last: the very tensors."""
        known = [tensor for read in self._read.tensors if (tensor := read()) is not None]
        return any(given is one for given in islice(self._tensors(weights), _LOOKED_AT) for one in known)

    def _filled(self, network: Any, span: Span) -> None:
        reading, self._read.span = self._read.span, None
        if reading is not None:
            took_ns = span.ended_ns - span.started_ns
            span = Span(reading.started_ns, reading.ended_ns + took_ns, reading.cpu_ns + span.cpu_ns)
        self._describe.origins.put(network, self._read.origin)
        self._rows.load(self._subject(network), span)

    def _tensors(self, found: Any, *, nested: bool = False) -> Iterator[Any]:
        """Tensors of a dictionary of weights; ``nested``: also of those in it, some of each."""
        if not isinstance(found, dict):
            return
        for value in found.values():
            if isinstance(value, self._torch.Tensor):
                yield value
            elif nested and isinstance(value, dict):
                yield from islice(self._tensors(value), _LOOKED_AT)
