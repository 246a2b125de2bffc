import { createReadStream } from "node:fs";

/** Longer than any entry of a directory: beyond it the file is no text of lines. */
const MAX_LINE_CHARS: number = 4 * 1024 * 1024;

/** The text of a file in UTF-8, or in UTF-16 with its mark as PowerShell writes. Throws on other bytes. */
export async function* textOf(path: string): AsyncGenerator<string> {
  let decoder: TextDecoder | null = null;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    decoder ??= new TextDecoder(encodingOf(chunk), { fatal: true });
    yield decode(decoder, chunk, path);
  }
  if (decoder) yield decode(decoder, Buffer.alloc(0), path, true);
}

function encodingOf(head: Buffer): string {
  if (head[0] === 0xff && head[1] === 0xfe) return "utf-16le";
  return head[0] === 0xfe && head[1] === 0xff ? "utf-16be" : "utf-8";
}

function decode(decoder: TextDecoder, chunk: Buffer, path: string, isLast = false): string {
  try {
    return decoder.decode(chunk, { stream: !isLast });
  } catch {
    throw new Error(`${path}: expected text in UTF-8 or UTF-16, got other bytes`);
  }
}

/** Lines without their endings. */
export async function* linesOf(text: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of text) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield line.endsWith("\r") ? line.slice(0, -1) : line;
    if (rest.length > MAX_LINE_CHARS)
      throw new Error("expected lines of text, got one without end");
  }
  if (rest !== "") yield rest;
}
