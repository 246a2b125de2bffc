import SMTPConnection from "nodemailer/lib/smtp-connection/index.js";
import type { DemoHub } from "./demo-hub.ts";
import type { Sample } from "./demo-messages.ts";

/** What became of a sample. */
export interface SentSample {
  readonly title: string;
  readonly client: string;
  readonly fate: "delivered" | "delivered, marked" | "refused" | "deferred" | "held";
  /** The gateway's last word to the client. */
  readonly reply: string;
  /** What the gateway wrote into the delivered copy, when that is the point of the sample. */
  readonly marks: string;
  readonly id: string | null;
  readonly asPromised: boolean;
}

/** Sends over real SMTP from the sample's own address and looks at what the hub got. */
export async function sendSample(sample: Sample, port: number, hub: DemoHub): Promise<SentSample> {
  const before = hub.messages.length;
  const answer = await send(sample, port);
  const arrived = hub.messages.slice(before);
  const marks = arrived.map(({ text }) => marksOf(text)).join();
  const fate = fateOf(answer.code, arrived.length > 0, marks !== "");
  return {
    title: sample.title,
    client: sample.client,
    fate,
    reply: answer.text,
    marks,
    id: /\(ref ([0-9A-Z]{18})\)/.exec(answer.text)?.[1] ?? null,
    asPromised: fate === sample.promise && (!sample.reply || answer.text.startsWith(sample.reply)),
  };
}

function fateOf(code: number, arrived: boolean, marked: boolean): SentSample["fate"] {
  if (arrived) return marked ? "delivered, marked" : "delivered";
  if (code >= 500) return "refused";
  return code >= 400 ? "deferred" : "held";
}

/** Shows only what is remarkable: an authentication that failed. */
function marksOf(text: string): string {
  const results = /^Authentication-Results: (?:.|\r\n[ \t])*/m.exec(text)?.[0] ?? "";
  const failed = /spf=(?:fail|softfail|permerror)[^;\r\n]*/.exec(results);
  const level = /^X-Postern-SCL: (.*)$/m.exec(text)?.[1]?.trim();
  return failed ? `${failed[0]}, X-Postern-SCL: ${level}` : "";
}

interface Answer {
  readonly code: number;
  readonly text: string;
}

function send(sample: Sample, port: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const connection = new SMTPConnection({
      host: "127.0.0.1",
      port,
      localAddress: sample.client,
      name: sample.helo,
      tls: { rejectUnauthorized: false },
      connectionTimeout: 5000,
      socketTimeout: 60_000,
    });
    connection.once("error", reject);
    connection.connect(() => {
      const envelope = { from: sample.sender, to: [sample.recipient] };
      connection.send(envelope, sample.message, (error, info) => {
        connection.quit();
        const text = (error ? error.response : info?.response) ?? error?.message ?? "";
        resolve({ code: Number.parseInt(text, 10) || 0, text });
      });
    });
  });
}
