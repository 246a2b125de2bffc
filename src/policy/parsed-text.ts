import { z } from "zod";
import { show } from "./check-shape.ts";

/** Text that must be readable as something; `expected` names it for the operator. */
export function parsedText<T>(
  parse: (text: string) => T | null,
  expected: string,
): z.ZodType<T, string> {
  const complaint = (input: unknown) => `expected ${expected}, got ${show(input)}`;
  return z.string({ error: ({ input }) => complaint(input) }).transform((text, context) => {
    const value = parse(text);
    if (value !== null) return value;
    context.addIssue({ code: "custom", message: complaint(text) });
    return z.NEVER;
  });
}
