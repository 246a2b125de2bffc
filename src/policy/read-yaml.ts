import { isUtf8 } from "node:buffer";
import {
  Composer,
  type Document,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  Parser,
} from "yaml";
import type { Problem } from "../base/errors.ts";
import { createPacer } from "./pacer.ts";
import { type Path, type Position, type Report, type Source, toSource } from "./source.ts";
import { resolveAlias, toValue } from "./yaml-value.ts";

/**
 * Ten thousand entries fit; parsing it blocks for less than 100 ms at a time. Long lists of
 * recipients have files of their own.
 */
export const MAX_YAML_BYTES: number = 512 * 1024;

/** About 10 ms of work. */
const LEXEMES_PER_TURN = 2000;

/** A file with more is broken in one place near the first. */
const MAX_SYNTAX_PROBLEMS = 10;

/**
 * Parses one YAML 1.2 document of plain data. Null when it has a mistake, all of which were
 * reported. A file of comments only has the value undefined, as if it were absent.
 */
export async function readYaml(
  file: string,
  bytes: Buffer,
  report: Report,
): Promise<Source | null> {
  const refusal = refuseBytes(file, bytes);
  if (refusal) {
    report(refusal);
    return null;
  }
  const lines = new LineCounter();
  const at = (offset: number): Position => lines.linePos(offset);
  const parsed = await parse(new TextDecoder().decode(bytes), lines);
  const problems: Problem[] = [];
  const complain = (offset: number, message: string, path: Path = []) =>
    problems.push({ file, ...at(offset), path: path.join("."), message });
  if (parsed instanceof Error) complain(0, `not readable as YAML: ${parsed.message}`);
  else reportSyntax(parsed, complain);
  const document = parsed instanceof Error ? undefined : parsed[0];
  const value = document && problems.length === 0 ? toValue(document, complain) : undefined;
  for (const problem of problems.slice(0, MAX_SYNTAX_PROBLEMS)) report(problem);
  if (problems.length > 0 || !document) return null;
  return toSource(value ?? undefined, (path, message, target) =>
    report({ file, ...at(offsetOf(document, path, target)), path: path.join("."), message }),
  );
}

function refuseBytes(file: string, bytes: Buffer): Problem | null {
  const problem = (message: string, line = 1) => ({ file, line, col: 1, path: "", message });
  if (bytes.length > MAX_YAML_BYTES)
    return problem(`expected at most ${MAX_YAML_BYTES} bytes, got ${bytes.length}`);
  // An editor that truncates before it writes would otherwise switch everything to its default.
  if (bytes.toString("latin1").trim() === "")
    return problem("expected settings or a comment, got an empty file; remove it if meant");
  if (!isUtf8(bytes)) return problem("expected UTF-8 text, got other bytes", lineOfBadUtf8(bytes));
  const nul = bytes.indexOf(0);
  if (nul >= 0) return problem("expected text, got a NUL byte", lineAt(bytes, nul));
  return null;
}

function lineOfBadUtf8(bytes: Buffer): number {
  let line = 1;
  for (let from = 0; from < bytes.length; line++) {
    const end = bytes.indexOf(0x0a, from);
    const to = end < 0 ? bytes.length : end;
    if (!isUtf8(bytes.subarray(from, to))) break;
    from = to + 1;
  }
  return line;
}

function lineAt(bytes: Buffer, offset: number): number {
  return bytes.subarray(0, offset).filter((byte) => byte === 0x0a).length + 1;
}

/** By hand instead of parseDocument: lexing is nine tenths of the time and can be interrupted. */
async function parse(text: string, lines: LineCounter): Promise<readonly Document[] | Error> {
  const pacer = createPacer(LEXEMES_PER_TURN);
  const parser = new Parser(lines.addNewLine);
  lines.addNewLine(0);
  // uniqueKeys compares every key with every other; toValue does it in linear time.
  const composer = new Composer({ version: "1.2", uniqueKeys: false, prettyErrors: false });
  const documents: Document[] = [];
  try {
    for (const lexeme of new Lexer().lex(text)) {
      for (const token of parser.next(lexeme)) documents.push(...composer.next(token));
      if (pacer.due()) await pacer.rest();
    }
    for (const token of parser.end()) documents.push(...composer.next(token));
    documents.push(...composer.end(true, text.length));
  } catch (error) {
    // The composer recurses: thousands of nested brackets end its stack.
    if (error instanceof RangeError) return new Error("nested too deeply");
    throw error;
  }
  return documents;
}

function reportSyntax(
  documents: readonly Document[],
  complain: (offset: number, message: string) => void,
): void {
  const [first, second] = documents;
  if (second) complain(second.range?.[0] ?? 0, "expected one document, got a second after `---`");
  const version = first?.directives?.yaml;
  if (version?.explicit && version.version !== "1.2")
    complain(0, `expected YAML 1.2, got ${version.version}`);
  const faults = [...(first?.errors ?? []), ...(first?.warnings ?? [])];
  for (const fault of faults) complain(fault.pos[0], describeFault(fault.code, fault.message));
}

function describeFault(code: string, message: string): string {
  if (code === "TAB_AS_INDENT") return "expected blanks for indentation, got a tab";
  return message.charAt(0).toLowerCase() + message.slice(1);
}

/** The offset of a place in the document, or of the nearest place above it that exists. */
function offsetOf(document: Document, path: Path, target: "key" | "value"): number {
  let node: Node | null = document.contents;
  let key: Node | null = null;
  let found = 0;
  for (const step of path) {
    const next = child(document, node, step);
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
  document: Document,
  parent: Node | null,
  step: string | number,
): { readonly key: Node | null; readonly value: Node | null } | null {
  const node = resolveAlias(document, parent);
  if (isSeq<Node>(node)) {
    const value = node.items[Number(step)];
    return value ? { key: value, value } : null;
  }
  if (!isMap<Node, Node>(node)) return null;
  const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
  return pair ? { key: pair.key, value: pair.value } : null;
}
