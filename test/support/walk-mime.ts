import type { MimeLimits } from "../../src/mail/mime-parser.ts";
import type { MimePart, MimeTree } from "../../src/mail/mime-part.ts";
import { createMimeWalker } from "../../src/mail/mime-walker.ts";

/** A tree with the octets that the visitor got for each part, by path. */
export interface WalkedMime {
  readonly tree: MimeTree;
  readonly bodies: ReadonlyMap<string, Buffer>;
  /** "open 1", "close 1", … in the order of the calls. */
  readonly calls: readonly string[];
  readonly work: number;
}

/** Walks a message, given whole or in chunks. A string is latin1. */
export async function walkMime(
  message: string | Buffer | readonly Buffer[],
  limits: Partial<MimeLimits> = {},
): Promise<WalkedMime> {
  const chunks = new Map<string, Buffer[]>();
  const calls: string[] = [];
  const walker = createMimeWalker(
    {
      open({ path }) {
        calls.push(`open ${path}`);
        chunks.set(path, []);
      },
      body({ path }, chunk) {
        chunks.get(path)?.push(Buffer.from(chunk));
      },
      close({ path }) {
        calls.push(`close ${path}`);
      },
    },
    limits,
  );
  for (const chunk of toChunks(message)) await walker.write(chunk);
  const tree = await walker.end();
  const bodies = new Map([...chunks].map(([path, parts]) => [path, Buffer.concat(parts)]));
  return { tree, bodies, calls, work: walker.work() };
}

function toChunks(message: string | Buffer | readonly Buffer[]): readonly Buffer[] {
  if (typeof message === "string") return [Buffer.from(message, "latin1")];
  return Buffer.isBuffer(message) ? [message] : message;
}

/** Lines joined as on the wire. */
export function mail(...lines: readonly string[]): string {
  return lines.map((line) => `${line}\r\n`).join("");
}

export function partAt(tree: MimeTree, path: string): MimePart {
  const part = tree.parts.find((candidate) => candidate.path === path);
  if (!part) throw new Error(`no part ${path} among ${tree.parts.map((p) => p.path).join(", ")}`);
  return part;
}
