import { decoyHash, type PasswordHash, parsePasswordHash } from "../base/password-hash.ts";

/** Who may log on, by name without case. */
export interface UserTable {
  find(name: string): User | null;
  /** Looked at in place of the hash of a name that nobody has. */
  readonly decoy: PasswordHash;
  readonly size: number;
}

export interface User {
  /** As the file writes it: in logs, evidence and rates, however the client spelt it. */
  readonly name: string;
  readonly hash: PasswordHash;
}

export interface UserFault {
  /** From 1. */
  readonly line: number;
  readonly col: number;
  readonly message: string;
}

export type UserTableResult =
  | { readonly kind: "users"; readonly users: UserTable }
  | { readonly kind: "refused"; readonly faults: readonly UserFault[] };

/** No blanks, no controls, no colon: what stands before the first colon of a line. */
export const USER_NAME: RegExp = /^[!-9;-~]{1,255}$/;

/**
 * `name:$scrypt$…` a line; empty lines and those that begin with # are skipped. All of it or nothing:
 * a line that is left out would be somebody who cannot send, or whose old password still works.
 */
export function parseUserTable(text: string): UserTableResult {
  const users = new Map<string, User>();
  const faults: UserFault[] = [];
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trimEnd();
    if (line === "" || line.startsWith("#")) continue;
    const user = parseLine(line);
    const fault = "message" in user ? user : duplicateOf(user, users);
    if (fault !== null) faults.push({ line: index + 1, ...fault });
    else if ("hash" in user) users.set(user.name.toLowerCase(), user);
  }
  if (faults.length > 0) return { kind: "refused", faults };
  const [first] = users.values();
  return {
    kind: "users",
    users: {
      find: (name) => users.get(name.toLowerCase()) ?? null,
      decoy: decoyHash(first?.hash),
      size: users.size,
    },
  };
}

type LineFault = Omit<UserFault, "line">;

/** What is shown of a line is its name at most: the rest may be a password by mistake. */
function parseLine(line: string): User | LineFault {
  const colon = line.indexOf(":");
  const name = line.slice(0, Math.max(0, colon));
  if (!USER_NAME.test(name))
    return { col: 1, message: "expected name:hash, the name in printable ASCII without blanks" };
  const hash = parsePasswordHash(line.slice(colon + 1));
  if (hash !== null) return { name, hash };
  return {
    col: colon + 2,
    message: `expected for ${name} a line of \`postern user hash ${name}\``,
  };
}

function duplicateOf({ name }: User, users: ReadonlyMap<string, User>): LineFault | null {
  if (!users.has(name.toLowerCase())) return null;
  return { col: 1, message: `expected each name once, got a second ${name}` };
}
