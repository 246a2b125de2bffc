import { PolicyError } from "../base/errors.ts";
import { formatPasswordHash, hashPassword } from "../base/password-hash.ts";
import { readUserFile } from "../smtp/user-file.ts";
import { USER_NAME } from "../smtp/user-table.ts";
import { type CliContext, EXIT } from "./cli-context.ts";
import { readPassword, type SecretInput } from "./read-password.ts";
import { toJsonLine } from "./visible-text.ts";

/** `postern user hash NAME`: the line for a file of users. The password comes from standard input. */
export async function userHashCommand(
  { out, err, json }: CliContext,
  name: string,
  input: SecretInput,
): Promise<number> {
  if (!USER_NAME.test(name)) {
    err("expected a name in printable ASCII without blanks and colon");
    return EXIT.usage;
  }
  const password = await readPassword(input, err);
  if (password === "") {
    err("expected a password on standard input");
    return EXIT.usage;
  }
  const line = `${name}:${formatPasswordHash(await hashPassword(password))}`;
  out(json ? toJsonLine({ line }) : line);
  return EXIT.ok;
}

/** `postern user check FILE`: every mistake with its place. */
export async function userCheckCommand({ out, json }: CliContext, file: string): Promise<number> {
  try {
    const { size } = await readUserFile(file);
    out(json ? toJsonLine({ ok: true, users: size }) : `${size} users, ok`);
    return EXIT.ok;
  } catch (error) {
    if (!json || !(error instanceof PolicyError)) throw error;
    out(toJsonLine({ ok: false, problems: error.problems }));
    return EXIT.usage;
  }
}
