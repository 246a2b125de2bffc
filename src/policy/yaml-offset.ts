import { isMap, isScalar, isSeq, type Node, type YAMLMap } from "yaml";
import type { Path, Target } from "./source.ts";
import type { Aliases } from "./yaml-value.ts";

/** Where a place in a document begins, or the nearest place above it that exists. */
export type Locate = (path: Path, target: Target) => number;

interface Member {
  readonly key: Node | null;
  readonly value: Node | null;
}

/** Remembers the keys of the maps it passes: a file may have thousands of mistakes in one map. */
export function createLocate(root: Node | null, aliases: Aliases): Locate {
  const indexes = new Map<Node, ReadonlyMap<string, Member>>();
  const child = (parent: Node | null, step: string | number): Member | null => {
    const node = (parent && aliases.get(parent)) ?? parent;
    if (isSeq<Node>(node)) {
      const value = node.items[Number(step)];
      return value ? { key: value, value } : null;
    }
    if (!isMap<Node, Node | null>(node)) return null;
    const index = indexes.get(node) ?? indexOf(node);
    indexes.set(node, index);
    return index.get(String(step)) ?? null;
  };
  return (path, target) => {
    let node = root;
    let key: Node | null = null;
    let found = 0;
    for (const step of path) {
      const next = child(node, step);
      if (!next) break;
      key = next.key;
      node = next.value;
      found += 1;
    }
    // A key with nothing behind it has a value of no length, somewhere after it.
    const hasValue = found === path.length && node?.range != null && node.range[1] > node.range[0];
    const chosen = hasValue && target === "value" ? node : (key ?? node);
    return chosen?.range?.[0] ?? 0;
  };
}

function indexOf(map: YAMLMap<Node, Node | null>): ReadonlyMap<string, Member> {
  return new Map(
    map.items.flatMap(({ key, value }) =>
      isScalar(key) ? [[String(key.value), { key, value }] as const] : [],
    ),
  );
}
