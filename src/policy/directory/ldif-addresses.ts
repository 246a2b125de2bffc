import type { DirectoryValue } from "./address-value.ts";
import { linesOf } from "./directory-text.ts";

/**
 * The values of some attributes in LDIF (RFC 2849): long lines go on in the next, which begins with a
 * blank; `name:: value` is base64. Files of changes are refused: what they leave out is not gone.
 */
export async function* ldifAddresses(
  text: AsyncIterable<string>,
  attributes: readonly string[],
): AsyncGenerator<DirectoryValue> {
  const wanted = new Set(attributes.map((name) => name.toLowerCase()));
  for await (const { line, number } of unfolded(linesOf(text))) {
    if (line === "" || line.startsWith("#")) continue;
    const colon = line.indexOf(":");
    if (colon <= 0) throw new Error(`line ${number}: expected \`attribute: value\``);
    const [name = ""] = line.slice(0, colon).toLowerCase().split(";");
    const value = line.slice(colon + 1);
    if (name === "changetype" && value.trim().toLowerCase() !== "add")
      throw new Error(`line ${number}: expected entries, got a file of changes`);
    // How ldapsearch ends, unless told otherwise: `4 Size limit exceeded` is half a directory.
    if (name === "result" && !/^\s*0\b/.test(value))
      throw new Error(`line ${number}: the search for this file failed: ${value.trim()}`);
    if (!wanted.has(name)) continue;
    if (value.startsWith("<"))
      throw new Error(`line ${number}: values in other files are not read`);
    yield { text: decodedOf(value, number), where: `line ${number}` };
  }
}

interface NumberedLine {
  readonly line: string;
  /** Where it begins. */
  readonly number: number;
}

async function* unfolded(lines: AsyncIterable<string>): AsyncGenerator<NumberedLine> {
  let parts: string[] = [];
  let number = 0;
  let begins = 1;
  for await (const line of lines) {
    number += 1;
    if (line.startsWith(" ") && number > 1) {
      parts.push(line.slice(1));
      continue;
    }
    if (number > 1) yield { line: parts.join(""), number: begins };
    parts = [line];
    begins = number;
  }
  if (number > 0) yield { line: parts.join(""), number: begins };
}

function decodedOf(value: string, number: number): string {
  if (!value.startsWith(":")) return value.trimStart();
  const bytes = Buffer.from(value.slice(1).trim(), "base64");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Error(`line ${number}: expected UTF-8 in base64`);
  }
}
