import { type Document, isAlias, isMap, isScalar, isSeq, type Node, visit } from "yaml";
import type { Path } from "./source.ts";

/** Deeper than any policy; a bound for everything that recurses over the value. */
const MAX_DEPTH = 24;
/** Aliases included: a file of 1 KiB can otherwise stand for billions of values. */
const MAX_VALUES = 200_000;

type Complain = (offset: number, message: string, path: Path) => void;

/** What each alias of a document stands for. */
export type Aliases = ReadonlyMap<Node, Node>;

interface Walk {
  readonly aliases: Aliases;
  readonly complain: Complain;
  left: number;
}

/**
 * The plain value of a document: objects, arrays, strings, numbers, booleans, null. Complains about
 * what has no place in a file of settings: a key twice, keys that are no text, bombs.
 */
export function toValue(document: Document, aliases: Aliases, complain: Complain): unknown {
  return plainOf(document.contents, [], { aliases, complain, left: MAX_VALUES });
}

/**
 * One walk for all: the parser's own look-up walks the document again for each alias. An anchor
 * around its own alias makes a circle; whoever follows aliases bounds the depth.
 */
export function findAliases(document: Document): Aliases {
  const anchors = new Map<string, Node>();
  const aliases = new Map<Node, Node>();
  visit(document, {
    Node(_, node) {
      const target = isAlias(node) ? anchors.get(node.source) : undefined;
      if (target) aliases.set(node, target);
      if (!isAlias(node) && node.anchor !== undefined) anchors.set(node.anchor, node);
    },
  });
  return aliases;
}

function plainOf(given: Node | null, path: Path, walk: Walk): unknown {
  const node = (given && walk.aliases.get(given)) ?? given;
  if (node === null) return null;
  const offset = given?.range?.[0] ?? 0;
  walk.left -= 1;
  if (walk.left < 0) {
    if (walk.left === -1) walk.complain(offset, `expected at most ${MAX_VALUES} values`, path);
    return null;
  }
  if (path.length > MAX_DEPTH) {
    walk.complain(offset, `expected at most ${MAX_DEPTH} levels`, path);
    walk.left = -1;
    return null;
  }
  if (isSeq<Node>(node)) return node.items.map((item, i) => plainOf(item, [...path, i], walk));
  if (isMap<Node, Node | null>(node)) return objectOf(node.items, path, walk);
  if (isScalar(node)) return node.value;
  walk.complain(offset, "expected an alias of an anchor above it", path);
  return null;
}

function objectOf(
  pairs: readonly { readonly key: Node; readonly value: Node | null }[],
  path: Path,
  walk: Walk,
): Readonly<Record<string, unknown>> {
  const members = new Map<string, unknown>();
  for (const { key, value } of pairs) {
    const name = keyName(key);
    const offset = key.range?.[0] ?? 0;
    if (name === null) walk.complain(offset, "expected a key of plain text", path);
    else if (members.has(name)) walk.complain(offset, "this key is given twice", [...path, name]);
    else members.set(name, plainOf(value, [...path, name], walk));
  }
  return Object.fromEntries(members);
}

/** `__proto__` would change the object instead of becoming a key of it (threats.md C13). */
function keyName(key: Node): string | null {
  if (!isScalar(key) || key.value === null || typeof key.value === "object") return null;
  const name = String(key.value);
  return name === "__proto__" ? null : name;
}
