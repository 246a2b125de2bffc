import { z } from "zod";
import { show } from "./check-shape.ts";

/** Text that must be readable as something; `expected` names it for the operator. */
export function parsedText<T>(
  parse: (text: string) => T | null,
  expected: string,
): z.ZodType<T, string> {
  return z.string().transform((text, context) => {
    const value = parse(text);
    if (value !== null) return value;
    context.addIssue({ code: "custom", message: `expected ${expected}, got ${show(text)}` });
    return z.NEVER;
  });
}
