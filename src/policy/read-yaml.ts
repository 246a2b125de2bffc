import { isUtf8 } from "node:buffer";
import { Composer, Document, Lexer, LineCounter, Parser } from "yaml";
import type { Problem } from "../base/errors.ts";
import { createPacer } from "./pacer.ts";
import { type Path, type Report, type Source, type Target, toSource } from "./source.ts";
import { createLocate } from "./yaml-offset.ts";
import { findAliases, toValue } from "./yaml-value.ts";

/**
 * Ten thousand entries fit; parsing it blocks for less than 100 ms at a time. Long lists of
 * recipients have files of their own.
 */
export const MAX_YAML_BYTES: number = 512 * 1024;

/** About 10 ms of work. */
const LEXEMES_PER_TURN = 2000;

/** The parser recurses: thousands of nested brackets end its stack, in one way or another. */
const TOO_DEEP = "nested too deeply";

type Complain = (offset: number, message: string) => void;

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
  const problems: Problem[] = [];
  const complain = (offset: number, message: string, path: Path = []) =>
    problems.push({ file, ...lines.linePos(offset), path: path.join("."), message });
  const document = await parse(new TextDecoder().decode(bytes), lines, complain);
  const aliases = findAliases(document);
  const value = problems.length === 0 ? toValue(document, aliases, complain) : null;
  for (const problem of problems.slice(0, MAX_SYNTAX_PROBLEMS)) report(problem);
  if (problems.length > 0) return null;
  const locate = createLocate(document.contents, aliases);
  const positionOf = (path: Path, target: Target) => lines.linePos(locate(path, target));
  return toSource(
    value ?? undefined,
    (path, message, target) =>
      report({ file, ...positionOf(path, target), path: path.join("."), message }),
    (path) => positionOf(path, "value").line,
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

/** By hand instead of parseDocument: lexing is most of the time and can be interrupted. */
async function parse(text: string, lines: LineCounter, complain: Complain): Promise<Document> {
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
    if (!(error instanceof RangeError)) throw error;
    complain(0, TOO_DEEP);
  }
  reportSyntax(documents, complain);
  return documents[0] ?? new Document();
}

function reportSyntax(documents: readonly Document[], complain: Complain): void {
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
  if (/call stack/.test(message)) return TOO_DEEP;
  return message.charAt(0).toLowerCase() + message.slice(1);
}
