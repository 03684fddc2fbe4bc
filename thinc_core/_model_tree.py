"""Model trees: walking, paths, editing and copying. The functions here are methods of Model in all but place."""

import copy
from collections import deque
from typing import TYPE_CHECKING, Any, Deque, Dict, Iterator, List

from .backends._param_server import ParamServer
from .errors import short_name

if TYPE_CHECKING:
    from .model import Model


def walk_bfs(root: "Model") -> Iterator["Model"]:
    """Nodes level by level, each once. This is the order of saved files."""
    seen = {id(root)}
    queue: Deque[Model] = deque([root])
    while queue:
        node = queue.popleft()
        yield node
        for child in node._layers:
            if id(child) not in seen:
                seen.add(id(child))
                queue.append(child)


def nodes_of(root: "Model") -> List["Model"]:
    """The nodes that walk_bfs gives, in a third of the time: for what is done at every step of training."""
    nodes, seen = [root], {root}
    for node in nodes:  # which grows
        for child in node._layers:
            if child not in seen:
                seen.add(child)
                nodes.append(child)
    return nodes


def walk_dfs(root: "Model", post_order: bool = False) -> Iterator["Model"]:
    """Nodes branch by branch, each once: before its children, or after them with post_order."""
    seen = {id(root)}
    stack = [(root, iter(root._layers))]
    if not post_order:
        yield root
    while stack:
        node, children = stack[-1]
        for child in children:
            if id(child) not in seen:
                seen.add(id(child))
                stack.append((child, iter(child._layers)))
                if not post_order:
                    yield child
                break
        else:
            stack.pop()
            if post_order:
                yield node


def nodes_to_move(root: "Model", device_type: str) -> List["Model"]:
    """The nodes that follow root to a device: all, or all but what a with_cpu keeps on the CPU."""
    found, seen, queue = [], {id(root)}, deque([root])
    while queue:
        node = queue.popleft()
        found.append(node)
        stays = device_type != "cpu" and getattr(node._func, "stays_on_cpu", False)
        for child in [] if stays else node._layers:
            if id(child) not in seen:
                seen.add(id(child))
                queue.append(child)
    return found


def node_path(root: "Model", node: "Model") -> str:
    """Where node lies below root, as one would write it: `'chain'.layers[1].layers[0] ('linear')`."""
    paths: Dict[int, str] = {id(root): short_name(root.name)}
    for parent in walk_bfs(root):
        if parent is node:
            break
        for index, child in enumerate(parent._layers):
            paths.setdefault(id(child), f"{paths[id(parent)]}.layers[{index}]")
    path = paths.get(id(node), "(outside the tree)")
    return path if node is root else f"{path} ({short_name(node.name)})"


def remove_node(root: "Model", node: "Model") -> None:
    """Drop every occurrence of node below root, and unset every ref that then points outside the tree."""
    for parent in list(walk_bfs(root)):
        if any(child is node for child in parent._layers):
            parent._layers[:] = [child for child in parent._layers if child is not node]
    left = list(walk_bfs(root))
    inside = {id(each) for each in left}
    for each in left:
        for name, target in each._refs.items():
            if target is not None and id(target) not in inside:
                each._refs[name] = None


def replace_node(root: "Model", old: "Model", new: "Model") -> bool:
    """Put new wherever old stands in layers or refs below root. RETURNS: whether old was found (as root included)."""
    found = False
    for node in list(walk_dfs(root, post_order=True)):
        if node is old:
            found = True
            continue
        # A new list, not an edit in place: a forward pass that is under way keeps the one it has.
        node._layers = [new if layer is old else layer for layer in node._layers]
        for name, target in node._refs.items():
            if target is old:
                node._refs[name] = new
    return found


def copy_tree(root: "Model", seen: Dict[int, Any]) -> "Model":
    """Copy root and everything below it; seen maps id() of an original to its copy, and is filled here."""
    nodes: List[Model] = [node for node in walk_bfs(root) if id(node) not in seen]
    for node in nodes:
        seen[id(node)] = _copy_node(node, seen)
    # References come second: they may point forwards, and attributes may hold nodes.
    memo = dict(seen)
    for node in nodes:
        new = seen[id(node)]
        new._layers = [seen[id(layer)] for layer in node._layers]
        new._refs = {name: seen.get(id(target), target) for name, target in node._refs.items()}
        new._attrs = copy.deepcopy(node._attrs, memo) if node._attrs else {}
    return seen[id(root)]


def _copy_node(node: "Model", seen: Dict[int, Any]) -> "Model":
    from .model import Model
    from .shims.shim import Shim

    for shim in node._shims:
        if id(shim) not in seen:
            # One memo for all: what two shims share, such as a module, their copies share too.
            own = type(shim).copy is not Shim.copy
            seen[id(shim)] = shim.copy() if own else copy.deepcopy(shim, seen)
    new: Model = Model(
        node.name,
        node._func,
        init=node.init,
        dims=node._dims,
        shims=[seen[id(shim)] for shim in node._shims],
        ops=node.ops,
    )
    new.init = node.init
    new._has_params = dict(node._has_params)
    params, grads = {}, {}
    for name in node._has_params:
        if node.has_param(name):
            params[(new.id, name)] = _copied(node.get_param(name))
        if node.has_grad(name):
            grads[(new.id, name)] = _copied(node.get_grad(name))
    new._params = ParamServer(params, grads)
    return new


def _copied(value: Any) -> Any:
    """A copy of an array; a gradient may also be a plain number."""
    return value.copy() if hasattr(value, "copy") else value


def rekey(server: ParamServer, old_id: int, new_id: int) -> ParamServer:
    """The same arrays under the id of another node."""
    params = {(new_id if key[0] == old_id else key[0], key[1]): value for key, value in server._params.items()}
    grads = {(new_id if key[0] == old_id else key[0], key[1]): value for key, value in server._grads.items()}
    return ParamServer(params, grads, proxy=server.proxy)
