import type { CommandPort } from "../control/control.ts";
import { type CliContext, EXIT } from "./cli-context.ts";
import { toJsonLine, toVisible } from "./visible-text.ts";

/** `postern stats`: the status that the control socket tells, one line a value. */
export async function statsCommand({ out, json }: CliContext, port: CommandPort): Promise<number> {
  const [status] = await port.call("status", {});
  if (json) out(toJsonLine(status));
  else for (const [name, text] of toLines(status)) out(toVisible(`${name.padEnd(18)} ${text}`));
  return EXIT.ok;
}

/** `spool.due 3` and so on. */
function toLines(value: unknown, path = ""): readonly (readonly [string, string])[] {
  if (typeof value !== "object" || value === null) return [[path, String(value ?? "none")]];
  return Object.entries(value).flatMap(([key, one]) =>
    toLines(one, path === "" ? key : `${path}.${key}`),
  );
}
