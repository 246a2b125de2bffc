import { isMap, isScalar, isSeq, type Node } from "yaml";
import type { Path, Target } from "./source.ts";
import type { Aliases } from "./yaml-value.ts";

/** Where a place in a document begins, or the nearest place above it that exists. */
export function offsetOf(root: Node | null, aliases: Aliases, path: Path, target: Target): number {
  let node = root;
  let key: Node | null = null;
  let found = 0;
  for (const step of path) {
    const next = child((node && aliases.get(node)) ?? node, step);
    if (!next) break;
    key = next.key;
    node = next.value;
    found += 1;
  }
  // A key with nothing behind it has a value of no length, somewhere after it.
  const hasValue = found === path.length && node?.range != null && node.range[1] > node.range[0];
  const chosen = hasValue && target === "value" ? node : (key ?? node);
  return chosen?.range?.[0] ?? 0;
}

function child(
  node: Node | null,
  step: string | number,
): { readonly key: Node | null; readonly value: Node | null } | null {
  if (isSeq<Node>(node)) {
    const value = node.items[Number(step)];
    return value ? { key: value, value } : null;
  }
  if (!isMap<Node, Node>(node)) return null;
  const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
  return pair ? { key: pair.key, value: pair.value } : null;
}
