import { formatRemoteReply } from "./client-reply.ts";
import type { Answer, ClientSession, Lost } from "./client-session.ts";
import type { ClientTimes } from "./client-times.ts";
import type { Credentials } from "./smtp-client.ts";

/**
 * RFC 4954 with PLAIN (RFC 4616), else LOGIN, which Exchange alone offers. Null when the server
 * knows us now. Never throws, and what it says never holds the password. Only after TLS: who calls
 * this has verified the server, so that mechanisms which hide the password would add nothing.
 */
export async function authenticate(
  session: ClientSession,
  { user, password }: Credentials,
  times: ClientTimes,
): Promise<Lost | null> {
  const offered = mechanismsOf(session.ehloLines);
  const say = (line: string) => session.exchange(line, times.authMs, "AUTH");
  if (offered.has("PLAIN"))
    return ended(await say(`AUTH PLAIN ${toBase64(`\0${user}\0${password}`)}`));
  if (!offered.has("LOGIN")) return lost("the server offers neither AUTH PLAIN nor AUTH LOGIN");
  for (const line of ["AUTH LOGIN", toBase64(user)]) {
    const answer = await say(line);
    if (answer.kind === "lost" || answer.reply.code !== 334) return ended(answer);
  }
  return ended(await say(toBase64(password)));
}

/** `AUTH PLAIN LOGIN`, or `AUTH=PLAIN LOGIN` as old servers have it. */
function mechanismsOf(ehloLines: readonly string[]): ReadonlySet<string> {
  const words = ehloLines.flatMap((line) => {
    const match = /^AUTH[ =](.*)$/i.exec(line.trim());
    return match?.[1]?.toUpperCase().split(/\s+/) ?? [];
  });
  return new Set(words);
}

function ended(answer: Answer): Lost | null {
  if (answer.kind === "lost") return answer;
  const { reply } = answer;
  if (reply.code === 235) return null;
  return { ...lost(`the server refuses our user: ${formatRemoteReply(reply)}`), reply };
}

function lost(reason: string): Lost {
  return { kind: "lost", reason, reply: null };
}

function toBase64(text: string): string {
  return Buffer.from(text).toString("base64");
}
