import { StringDecoder } from "node:string_decoder";

/** Standard input, or what stands for it. */
export interface SecretInput extends AsyncIterable<Buffer | string> {
  readonly isTTY?: boolean;
  setRawMode?(on: boolean): unknown;
}

/** Nobody types more; a file given by mistake must not be read whole. */
const MAX_CHARS = 1024;

const INTERRUPT = "\x03";
const ERASE = /[\x08\x7f]/;

/**
 * The first line, without its end. A terminal does not show it: what stands on a screen or in the
 * history of a shell is no secret any more.
 */
export async function readPassword(
  input: SecretInput,
  say: (line: string) => void,
): Promise<string> {
  const isTyped = input.isTTY === true;
  if (isTyped) say("Password (not shown):");
  input.setRawMode?.(true);
  const chunks = input[Symbol.asyncIterator]();
  try {
    return await firstLine(chunks, isTyped);
  } finally {
    // Before the stream is let go: then its terminal is out of reach.
    input.setRawMode?.(false);
    await chunks.return?.();
  }
}

async function firstLine(
  chunks: AsyncIterator<Buffer | string>,
  isTyped: boolean,
): Promise<string> {
  const decoder = new StringDecoder("utf8");
  let text = "";
  for (let step = await chunks.next(); !step.done; step = await chunks.next()) {
    const { value } = step;
    for (const char of typeof value === "string" ? value : decoder.write(value)) {
      if (char === "\n" || char === "\r") return text;
      if (isTyped && char === INTERRUPT) throw new Error("interrupted");
      text = isTyped && ERASE.test(char) ? text.slice(0, -1) : text + char;
      if (text.length > MAX_CHARS) throw new Error(`expected at most ${MAX_CHARS} characters`);
    }
  }
  return text;
}
