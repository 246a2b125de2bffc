import type { Json } from "../../base/json.ts";
import type { FileException } from "../../policy/file-exception.ts";
import type { ShelfEntry } from "../../reputation/shelf.ts";
import { type AccessOptions, accessOptions, type NamedEntry } from "./access-options.ts";
import type { EntrySubject } from "./entry-key.ts";

/** An exception that an operator makes by command: what stands in `access.yaml`, and who made it. */
export interface NewException extends EntrySubject {
  /** Of an allow entry; absent: every spam stage. */
  readonly scope?: readonly string[] | undefined;
  /** False: an allowed sender need not be proven. */
  readonly authenticated?: boolean | undefined;
  readonly reason: string;
  readonly by: string;
}

export function toStored(exception: NewException): Json {
  const { list, client, sender, scope, authenticated, reason, by } = exception;
  return { list, client, sender: sender && { ...sender }, scope, authenticated, reason, by };
}

/** Null for what another version wrote and we cannot read: it allows and blocks nobody. */
export function toEntry({ key, value, until }: ShelfEntry): NamedEntry | null {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const { list, by, ...written } = value as { readonly [name: string]: Json | undefined };
  if (list !== "allow" && list !== "block") return null;
  const parsed = accessOptions.safeParse({ [list]: [withoutAbsent(written)] });
  const [entry] = parsed.success ? (parsed.data satisfies AccessOptions)[list] : [];
  if (!entry) return null;
  const { expires: _expires, ...terms } = entry;
  return { ...terms, list, endsAt: until, key, ...(typeof by === "string" && { by }) };
}

function withoutAbsent(members: Readonly<Record<string, Json | undefined>>) {
  return Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== undefined && value !== null),
  );
}

/** What is wrong with it, in the words of `check`; null: nothing. */
export function exceptionFault(exception: NewException): string | null {
  const { list, by: _by, ...written } = exception;
  const parsed = accessOptions.safeParse({ [list]: [withoutAbsent(written as never)] });
  const [issue] = parsed.error?.issues ?? [];
  if (!issue) return null;
  const where = issue.path.slice(2).join(".");
  return where === "" ? issue.message : `${where}: ${issue.message}`;
}

/** "192.0.2.1", "jane@example.org", "*.example.org": whom it is about, in one line. */
export function whomText({ client, sender }: Pick<FileException, "client" | "sender">): string {
  const { addresses = [], domains = [], domainsAndSubdomains = [] } = sender ?? {};
  const below = domainsAndSubdomains.map((name) => `${name} and *.${name}`);
  return [...(client === undefined ? [] : [client]), ...addresses, ...domains, ...below].join(", ");
}
