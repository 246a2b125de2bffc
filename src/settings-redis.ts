import { z } from "zod";
import type { RedisSettings } from "./reputation/redis-access.ts";
import { parseRedisUrl, REDIS_URL_FORMS } from "./reputation/redis-url.ts";

/** Messages never repeat the address, which may hold a password; so neither does a wrong kind of value. */
const EXPECTED = `expected ${REDIS_URL_FORMS}`;

const path = z.string().min(1);
const url = z.string({ error: EXPECTED }).transform((text, context) => {
  const address = parseRedisUrl(text);
  if (address) return address;
  context.addIssue({ code: "custom", message: EXPECTED });
  return z.NEVER;
});

const long = z
  .strictObject({
    url,
    username: z.string().min(1).optional(),
    passwordFile: path.optional(),
    sentinelPasswordFile: path.optional(),
  })
  .superRefine(({ url, username, passwordFile, sentinelPasswordFile }, context) => {
    const complain = (key: string, message: string) =>
      context.addIssue({ code: "custom", path: [key], message });
    if (username !== undefined && url.username !== null)
      complain("username", "expected no name of a user here, because the address has one");
    if (passwordFile !== undefined && url.password !== null)
      complain("passwordFile", "expected no file here, because the address has a password");
    if (sentinelPasswordFile !== undefined && url.place.kind !== "sentinel")
      complain("sentinelPasswordFile", "expected only with redis+sentinel://");
  });

/** One of two shapes; the kind of value tells which, so that each mistake is told where it is. */
export const redisSchema = z.unknown().transform((value, context) => {
  const isLong = typeof value === "object" && value !== null && !Array.isArray(value);
  const result = isLong
    ? long.safeParse(value, { reportInput: false })
    : url.transform((address) => ({ url: address })).safeParse(value);
  if (result.success) return result.data as z.infer<typeof long>;
  for (const issue of result.error.issues) context.addIssue({ ...issue } as never);
  return z.NEVER;
});

/** `toPath` makes a path absolute. */
export function toRedisSettings(
  written: z.infer<typeof redisSchema> | undefined,
  toPath: (path: string) => string,
): RedisSettings | null {
  if (written === undefined) return null;
  const { url: address, username, passwordFile, sentinelPasswordFile } = written;
  return {
    ...address,
    username: username ?? address.username,
    passwordFile: passwordFile === undefined ? null : toPath(passwordFile),
    sentinelPasswordFile: sentinelPasswordFile === undefined ? null : toPath(sentinelPasswordFile),
  };
}
