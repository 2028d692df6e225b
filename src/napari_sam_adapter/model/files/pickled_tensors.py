"""What a pickle says, without ever doing it.

PyTorch files describe their tensors in a pickle. The reader below knows the few
instructions that such descriptions need and keeps everything else as data: no class is
looked up, nothing is imported, nothing is called.
"""

from __future__ import annotations

import io
import pickletools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_INSTRUCTIONS = 400_000
"""A checkpoint of the largest network with its optimiser has a tenth of it."""
_REBUILD = "torch._utils _rebuild_"
_REBUILD_TENSOR = "torch._utils _rebuild_tensor_v2"
_REBUILD_NEWER = "torch._utils _rebuild_tensor_v3"
_REBUILD_PARAMETER = "torch._utils _rebuild_parameter"
_ORDERED_DICT = "collections OrderedDict"
_KEPT = (_REBUILD_TENSOR, _REBUILD_PARAMETER, _ORDERED_DICT)
_SKIPPED = frozenset(
    ("torch", "torch_em", "micro_sam", "numpy", "collections", "argparse", "pathlib")
)
"""Packages whose objects training code stores beside the tensors."""
_PLAIN = frozenset(("dict", "list", "tuple", "set", "int", "float", "bool"))


class PickleError(ValueError):
    """A pickle that holds more than descriptions of tensors, or is broken."""


@dataclass(frozen=True)
class Name:
    """A class or function that the pickle mentions; only its name is known.

    Parameters
    ----------
    text : str
        Module and name, with a space between them.
    """

    text: str


@dataclass(frozen=True)
class Skipped:
    """An object that is not read.

    Parameters
    ----------
    what : str
        Name of its class, or of the format of its numbers.
    is_tensor : bool
        Whether it would have been a tensor.
    """

    what: str
    is_tensor: bool = False


@dataclass(frozen=True)
class StorageReference:
    """The bytes that one or several tensors share.

    Parameters
    ----------
    kind : str
        Name of the storage class, such as ``FloatStorage``.
    key : str
        Name of the record in the archive.
    count : int
        Numbers in it.
    """

    kind: str
    key: str
    count: int


@dataclass(frozen=True)
class TensorReference:
    """A tensor as the pickle describes it, not yet checked.

    Parameters
    ----------
    storage : StorageReference
        Where its numbers are.
    offset : int
        Place of the first.
    shape, strides : tuple of int
        As in PyTorch.
    """

    storage: StorageReference
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_pickle(data: bytes) -> object:
    """Read dictionaries, lists, numbers, text and descriptions of tensors.

    Parameters
    ----------
    data : bytes
        The pickle.

    Returns
    -------
    object
        With `TensorReference` for tensors and `Skipped` for objects of training code.

    Raises
    ------
    PickleError
        If it asks for anything else, or is broken.
    """
    reader = _Reader()
    try:
        for number, (code, argument, _) in enumerate(
            pickletools.genops(io.BytesIO(data))
        ):
            if number > MOST_INSTRUCTIONS:
                raise PickleError("is too long to describe a network")
            reader.do(code.name, argument)
    except PickleError:
        raise
    except (ValueError, IndexError, TypeError, KeyError, AttributeError) as error:
        raise PickleError("is broken") from error
    return reader.result


class _Reader:
    """The stack, the marks on it, and the memo."""

    def __init__(self) -> None:
        self.result: object = None
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def do(self, code: str, argument: Any) -> None:
        """Follow one instruction."""
        if code in _CONSTANTS:
            self._stack.append(_CONSTANTS[code]())
        elif code in _LITERALS:
            self._stack.append(argument)
        elif code in _FREE:
            pass
        elif code in _ACTIONS:
            _ACTIONS[code](self, argument)
        else:
            raise PickleError(f"uses the instruction {code}")

    def _mark(self, _: object) -> None:
        self._marks.append(len(self._stack))

    def _since_mark(self) -> list[Any]:
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def _put(self, place: int) -> None:
        self._memo[place] = self._stack[-1]

    def _memoize(self, _: object) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _get(self, place: int) -> None:
        self._stack.append(self._memo[place])

    def _tuple(self, _: object) -> None:
        self._stack.append(tuple(self._since_mark()))

    def _small_tuple(self, count: int) -> None:
        items = tuple(self._stack[-count:])
        if len(items) < count:
            raise PickleError("is broken")
        del self._stack[-count:]
        self._stack.append(items)

    def _append(self, _: object) -> None:
        item = self._stack.pop()
        self._extend([item])

    def _appends(self, _: object) -> None:
        self._extend(self._since_mark())

    def _extend(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, list):
            target.extend(items)
        elif not isinstance(target, Skipped):
            raise PickleError("is broken")

    def _set_item(self, _: object) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._update([key, value])

    def _set_items(self, _: object) -> None:
        self._update(self._since_mark())

    def _update(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, dict):
            pairs = zip(items[::2], items[1::2], strict=True)
            target.update((k, v) for k, v in pairs if isinstance(k, (str, int)))
        elif not isinstance(target, Skipped):
            raise PickleError("is broken")

    def _global(self, text: str) -> None:
        self._stack.append(_checked_name(text))

    def _stack_global(self, _: object) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        self._stack.append(_checked_name(f"{module} {name}"))

    def _reduce(self, _: object) -> None:
        arguments, what = self._stack.pop(), self._stack.pop()
        self._stack.append(_described(what, arguments))

    def _new_object(self, count: int) -> None:
        what = self._stack[-count]
        del self._stack[-count:]
        self._stack.append(Skipped(_last_word(what)))

    def _build(self, _: object) -> None:
        self._stack.pop()  # the state of an object, which stays unread

    def _persistent(self, _: object) -> None:
        kind, storage, key, _, count = self._stack.pop()
        if kind != "storage" or not isinstance(storage, Name):
            raise PickleError("refers to something outside the file")
        if not isinstance(key, str) or type(count) is not int:
            raise PickleError("is broken")
        name = storage.text.split()[-1]
        self._stack.append(StorageReference(name, key, count))

    def _pop(self, _: object) -> None:
        self._stack.pop()

    def _pop_mark(self, _: object) -> None:
        self._since_mark()

    def _stop(self, _: object) -> None:
        self.result = self._stack.pop()


def _checked_name(text: str) -> Name:
    module, _, name = text.partition(" ")
    root = module.split(".")[0]
    is_plain = root in ("builtins", "__builtin__") and name in _PLAIN
    if root in _SKIPPED or is_plain:
        return Name(text)
    raise PickleError(f"holds {module}.{name}, which could run code")


def _described(what: object, arguments: Any) -> object:
    """Return what a call in the pickle stands for, without making it."""
    name = what.text if isinstance(what, Name) else ""
    if name not in _KEPT:
        return _skipped(what, name, arguments)
    if name == _ORDERED_DICT:
        return {}
    if name == _REBUILD_PARAMETER:
        return arguments[0]
    storage, offset, shape, strides = arguments[:4]
    if not isinstance(storage, StorageReference):
        raise PickleError("is broken")
    return TensorReference(storage, offset, tuple(shape), tuple(strides))


def _skipped(what: object, name: str, arguments: Any) -> Skipped:
    """Describe an object by its class, a tensor by its format."""
    if name == _REBUILD_NEWER:
        formats = [item for item in arguments if isinstance(item, Name)]
        return Skipped(_last_word(formats[-1]), is_tensor=True)
    kind = name.removeprefix(_REBUILD)
    return Skipped(_last_word(what) if kind == name else kind, kind != name)


def _last_word(what: object) -> str:
    return what.text.split()[-1] if isinstance(what, Name) else "object"


_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_SET": list,
    "EMPTY_TUPLE": tuple,
}
_LITERALS = frozenset(
    (
        "BININT",
        "BININT1",
        "BININT2",
        "LONG1",
        "BINFLOAT",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINSTRING",
        "SHORT_BINSTRING",
    )
)
_FREE = frozenset(("PROTO", "FRAME"))
_ACTIONS: dict[str, Callable[[_Reader, Any], None]] = {
    "MARK": _Reader._mark,
    "BINPUT": _Reader._put,
    "LONG_BINPUT": _Reader._put,
    "MEMOIZE": _Reader._memoize,
    "BINGET": _Reader._get,
    "LONG_BINGET": _Reader._get,
    "TUPLE": _Reader._tuple,
    "TUPLE1": lambda reader, _: reader._small_tuple(1),
    "TUPLE2": lambda reader, _: reader._small_tuple(2),
    "TUPLE3": lambda reader, _: reader._small_tuple(3),
    "APPEND": _Reader._append,
    "APPENDS": _Reader._appends,
    "ADDITEMS": _Reader._appends,
    "SETITEM": _Reader._set_item,
    "SETITEMS": _Reader._set_items,
    "GLOBAL": _Reader._global,
    "STACK_GLOBAL": _Reader._stack_global,
    "REDUCE": _Reader._reduce,
    "NEWOBJ": lambda reader, _: reader._new_object(2),
    "NEWOBJ_EX": lambda reader, _: reader._new_object(3),
    "BUILD": _Reader._build,
    "BINPERSID": _Reader._persistent,
    "POP": _Reader._pop,
    "POP_MARK": _Reader._pop_mark,
    "STOP": _Reader._stop,
}
