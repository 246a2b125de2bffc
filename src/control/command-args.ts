import type { z } from "zod";
import { ControlError } from "./control.ts";

/** Throws ControlError("bad-request") that says what was expected where. */
export function parseArgs<T>(schema: z.ZodType<T>, args: unknown): T {
  const parsed = schema.safeParse(args);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue?.path.length ? `${issue.path.join(".")}: ` : "";
  throw new ControlError("bad-request", `${where}${issue?.message ?? "not what was expected"}`);
}
