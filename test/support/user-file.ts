import { randomBytes, scryptSync } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatPasswordHash } from "../../src/base/password-hash.ts";
import { RawClient, type RawReply } from "./raw-client.ts";

/** A file of users in a folder of its own, removed by disposal. */
export interface UserFile extends AsyncDisposable {
  readonly path: string;
  replace(users: Readonly<Record<string, string>>): Promise<void>;
}

export async function createUserFile(users: Readonly<Record<string, string>>): Promise<UserFile> {
  const folder = await mkdtemp(join(tmpdir(), "postern-users-"));
  const path = join(folder, "users.txt");
  const replace = (some: Readonly<Record<string, string>>) =>
    writeFile(path, Object.entries(some).map(toLine).join(""), { mode: 0o600 });
  await replace(users);
  return {
    path,
    replace,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** The weakest hash that is taken: tests log on often. */
function toLine([name, password]: readonly [string, string]): string {
  const salt = randomBytes(16);
  const key = scryptSync(password, salt, 32, { N: 2 ** 14, r: 8, p: 1 });
  return `${name}:${formatPasswordHash({ ln: 14, r: 8, p: 1, salt, key })}\n`;
}

/** A client within TLS that has said EHLO. */
export async function securedClient(
  edge: { readonly port: number },
  localAddress?: string,
): Promise<RawClient> {
  const client = await RawClient.open({ port: edge.port, ...(localAddress && { localAddress }) });
  await client.reply();
  await client.say("EHLO client.test");
  await client.say("STARTTLS");
  await client.secure();
  await client.say("EHLO client.test");
  return client;
}

export function logOn(client: RawClient, name: string, password: string): Promise<RawReply> {
  const response = Buffer.from(`\0${name}\0${password}`).toString("base64");
  return client.say(`AUTH PLAIN ${response}`);
}

/** One message in the session of a client; the reply to the final dot, or the first refusal. */
export async function submit(
  client: RawClient,
  letter: { readonly from: string; readonly to: string; readonly message: string },
): Promise<RawReply> {
  const mail = await client.say(`MAIL FROM:<${letter.from}>`);
  if (mail.code !== 250) return mail;
  const rcpt = await client.say(`RCPT TO:<${letter.to}>`);
  if (rcpt.code !== 250) {
    await client.say("RSET");
    return rcpt;
  }
  await client.say("DATA");
  client.send(letter.message);
  return client.say(".");
}
