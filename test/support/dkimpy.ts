import { execFileSync } from "node:child_process";
import { findProgram } from "./programs.ts";

/** Debian's, which has the library; another one of the host has not. */
const PYTHON = "/usr/bin/python3";

/** For `test(title, { skip: noDkimpy() }, ...)`. */
export const noDkimpy = (): string | false => findProgram("dkimverify").skip;

/** What dkimpy, written by others, says of one message. */
export interface DkimpyAnswer {
  /** Of each DKIM-Signature, from the top: true, or why it does not hold. */
  readonly dkim: readonly (true | string)[];
  /** The state of the chain, and why: `pass`, `none`, `fail`; `ended`: its last seal says that it failed. */
  readonly arc: string;
  readonly arcReason: string;
}

const VERIFY = `
import base64, json, sys
import dkim, dns.resolver
question = json.load(sys.stdin)
resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers = [question["host"]]
resolver.port = question["port"]
def txt(name, timeout=5):
    name = name.decode() if isinstance(name, bytes) else name
    try:
        answer = resolver.resolve(name, "TXT", lifetime=30)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return None
    return b"".join(next(iter(answer)).strings)
def signature(message, index):
    try:
        return dkim.DKIM(message).verify(idx=index, dnsfunc=txt) or "it does not hold"
    except dkim.DKIMException as error:
        return repr(error)
answers = []
for message in map(base64.b64decode, question["messages"]):
    count = sum(name.lower() == b"dkim-signature" for name, _ in dkim.DKIM(message).headers)
    cv, _, reason = dkim.arc_verify(message, dnsfunc=txt)
    answers.append({
        "dkim": [signature(message, i) for i in range(count)],
        "arc": cv.decode() if cv else "ended",
        "arcReason": str(reason),
    })
print(json.dumps(answers))
`;

/** Verifies all of them with keys from a real name server, `host:port`, in one process. */
export function verifyWithDkimpy(
  messages: readonly Buffer[],
  server: string,
): readonly DkimpyAnswer[] {
  const [host, port] = server.split(":");
  const question = {
    host,
    port: Number(port),
    messages: messages.map((message) => message.toString("base64")),
  };
  const options = { input: JSON.stringify(question), timeout: 120_000 };
  return JSON.parse(execFileSync(PYTHON, ["-c", VERIFY], options).toString());
}
