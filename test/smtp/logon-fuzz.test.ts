import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Clock, createSystemClock } from "../../src/base/clock.ts";
import type { Authenticator } from "../../src/smtp/authenticator.ts";
import { createScriptedHandler } from "../support/scripted-handler.ts";
import { DEFAULT_LIMITS, startEdge } from "../support/smtp-edge.ts";

const SESSIONS = process.env.POSTERN_TEST_FULL ? 20_000 : 150;
const LIMITS = {
  connections: { max: 100_000, perClient: 100_000, newPerClientPerMinute: 1_000_000 },
  session: { ...DEFAULT_LIMITS.session, errorsSoft: 1000, errorsHard: 1000 },
};
/** Cut short; the wait for a slow client is not. */
const TARPIT_MS = 5000;

const toBase64 = (text: string) => Buffer.from(text).toString("base64");
const GOOD = toBase64("\0alice\0secret");
const BAD = toBase64("\0alice\0wrong");
const NAME = toBase64("alice");

const LINES = [
  ...["EHLO a.test", "HELO a.test", "RSET", "NOOP", "STARTTLS", "MAIL FROM:<a@b.test>", "*", ""],
  ...["AUTH", "AUTH PLAIN", "AUTH LOGIN", `AUTH LOGIN ${NAME}`, "AUTH CRAM-MD5", "AUTH PLAIN ="],
  ...[`AUTH PLAIN ${GOOD}`, `AUTH PLAIN ${BAD}`, GOOD, BAD, NAME, toBase64("secret"), "===="],
];

const PASSWORDS: Authenticator = {
  logOn: async ({ name, password }) =>
    name === "alice" && password === "secret"
      ? { kind: "accepted", user: "alice" }
      : { kind: "refused" },
};

/** What a session must answer, written down apart from how src/smtp does it. */
class Model {
  #secure = false;
  #greeting: "EHLO" | "HELO" | null = null;
  #isOpen = false;
  user = false;
  isOver = false;
  #failures = 0;
  /** What the next line is asked for. */
  #asked: "plain" | "name" | "password" | null = null;
  #name = "";

  answer(line: string): number {
    const asked = this.#asked;
    this.#asked = null;
    if (asked !== null) return this.#respond(asked, line);
    const [verb = "", ...rest] = line.split(" ");
    switch (verb) {
      case "EHLO":
      case "HELO":
        this.#greeting = verb;
        this.#isOpen = false;
        return 250;
      case "RSET":
        this.#isOpen = false;
        return 250;
      case "NOOP":
        return 250;
      case "STARTTLS":
        if (this.#secure) return 503;
        this.#secure = true;
        this.#greeting = null;
        return 220;
      case "MAIL":
        if (this.#greeting === null || this.#isOpen) return 503;
        if (!this.user) return 530;
        this.#isOpen = true;
        return 250;
      case "AUTH":
        return this.#auth(rest);
      default:
        // No line of SMTP begins so: another protocol.
        this.isOver = /^[*=]/.test(line);
        return 500;
    }
  }

  #auth([mechanism, initial]: readonly string[]): number {
    if (this.#greeting !== "EHLO") return 503;
    if (!this.#secure) return 538;
    if (this.user || this.#isOpen) return 503;
    if (mechanism === undefined) return 501;
    if (mechanism !== "PLAIN" && mechanism !== "LOGIN") return 504;
    const first = mechanism === "PLAIN" ? "plain" : "name";
    if (initial !== undefined) return this.#respond(first, initial === "=" ? "" : initial);
    this.#asked = first;
    return 334;
  }

  #respond(asked: "plain" | "name" | "password", line: string): number {
    if (line === "*" || !/^[A-Za-z0-9+/]*={0,2}$/.test(line)) return 501;
    const octets = Buffer.from(line, "base64");
    const text = octets.toString("utf8");
    if (octets.toString("base64") !== line || toBase64(text) !== line) return 501;
    if (asked === "plain") {
      const [zid, name, password, ...more] = text.split("\0");
      if (!name || !password || more.length > 0) return 501;
      return zid ? 535 : this.#judge(name, password);
    }
    if (text === "" || text.includes("\0")) return 501;
    if (asked === "password") return this.#judge(this.#name, text);
    this.#name = text;
    this.#asked = "password";
    return 334;
  }

  #judge(name: string, password: string): number {
    if (name === "alice" && password === "secret") {
      this.user = true;
      return 235;
    }
    this.#failures += 1;
    this.isOver = this.#failures === 3;
    return this.#failures < 3 ? 535 : 421;
  }
}

test("in whatever order a client speaks, nobody sends without his password", async () => {
  const system = createSystemClock();
  const after: Clock["after"] = (ms, fn) => system.after(ms === TARPIT_MS ? 1 : ms, fn);
  const clock = { ...system, after };
  const handler = createScriptedHandler();
  const options = { kind: "hub", clock, authenticator: PASSWORDS, limits: LIMITS } as const;
  await using edge = await startEdge(handler, {
    ...options,
    listenerRules: { logon: "permission" },
  });
  const lines = fc.array(fc.constantFrom(...LINES), { minLength: 1, maxLength: 25 });
  const isSecured = fc.boolean();
  const property = fc.asyncProperty(lines, isSecured, async (said, secured) => {
    const model = new Model();
    const client = await edge.greeted();
    const all = secured ? ["NOOP", "STARTTLS", "EHLO a.test", ...said] : ["NOOP", ...said];
    for (const line of all) {
      const expected = model.answer(line);
      const { code, text } = await client.say(line);
      assert.equal(code, expected, `${JSON.stringify(line)}: ${text}`);
      if (code === 220) await client.secure();
      if (model.isOver) break;
    }
    const opened = handler.sessions.at(-1)?.transactions.length ?? 0;
    if (!model.user) assert.equal(opened, 0);
    client.destroy();
  });
  await fc.assert(property, { numRuns: SESSIONS });
});
