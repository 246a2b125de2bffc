import { open, rm } from "node:fs/promises";
import { resolve } from "node:path";
import { errorText } from "../base/errors.ts";
import type { CommandPort } from "../control/control.ts";
import type { QueueRow } from "../control/queue-selection.ts";
import { type CliContext, EXIT } from "./cli-context.ts";
import { refuseUsage } from "./failure.ts";
import { toJsonLine, toVisible } from "./visible-text.ts";

export interface QueueExportOptions {
  readonly id: string;
  readonly output?: string;
}

/**
 * `postern queue export`: the message octet for octet, and beside it what its envelope and its fate
 * are, as JSON. Existing files stay as they are.
 */
export async function queueExportCommand(
  context: CliContext,
  port: CommandPort,
  { id, output }: QueueExportOptions,
): Promise<number> {
  const { out, json, cwd } = context;
  const [row, ...chunks] = (await port.call("queue.export", { id })) as readonly [
    QueueRow,
    ...{ readonly chunk: string }[],
  ];
  const message = resolve(cwd, output ?? `${row.id}.eml`);
  const envelope = `${message.replace(/\.eml$/i, "")}.json`;
  const bytes = Buffer.concat(chunks.map(({ chunk }) => Buffer.from(chunk, "base64")));
  try {
    await create(message, bytes);
    await create(envelope, Buffer.from(`${JSON.stringify(row, null, 2)}\n`)).catch(
      async (error) => {
        await rm(message, { force: true });
        throw error;
      },
    );
  } catch (error) {
    return refuseUsage(context, whyNot(error));
  }
  if (json) out(toJsonLine({ ...row, files: { message, envelope } }));
  else for (const file of [message, envelope]) out(toVisible(file));
  return EXIT.ok;
}

function whyNot(error: unknown): string {
  const { code, path } = error as NodeJS.ErrnoException;
  if (code !== "EEXIST") return `cannot write: ${errorText(error)}`;
  return `${path} is there already and stays as it is: name another file with --output`;
}

/** It is somebody's mail. */
const OWNER_ONLY = 0o600;

async function create(path: string, bytes: Buffer): Promise<void> {
  await using file = await open(path, "wx", OWNER_ONLY);
  await file.writeFile(bytes);
}
