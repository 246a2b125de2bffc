import { z } from "zod";
import { ControlError } from "./control.ts";

/** Who orders it. A name for the records, not a credential: whoever reaches the socket may command. */
export const by: z.ZodString = z.string().min(1).max(200);

/** Throws ControlError("bad-request") that says what was expected where. */
export function parseArgs<T>(schema: z.ZodType<T>, args: unknown): T {
  const parsed = schema.safeParse(args);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue?.path.length ? `${issue.path.join(".")}: ` : "";
  throw new ControlError("bad-request", `${where}${issue?.message ?? "not what was expected"}`);
}
