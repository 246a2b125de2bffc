import assert from "node:assert/strict";
import { type HubOptions, type ScriptedHub, startScriptedHub } from "./scripted-hub.ts";
import { type SentMail, sendMail } from "./send-mail.ts";
import { startTestGateway, type TestGateway, type TestGatewayOptions } from "./test-gateway.ts";

export interface RewritingEdge extends AsyncDisposable {
  readonly edge: TestGateway;
  /** Of corp.example.org and example.org. */
  readonly inside: ScriptedHub;
  /** Whoever takes mail for all other domains. */
  readonly world: ScriptedHub;
  /** From the internet, and from the hub. */
  receive(mail: Letter): Promise<SentMail>;
  send(mail: Letter): Promise<SentMail>;
}

export interface Letter {
  readonly from: string;
  readonly to: readonly string[];
  readonly message: string;
  /** As in MailToSend. */
  readonly parameters?: string;
}

export interface RewritingEdgeOptions extends Omit<TestGatewayOptions, "hubPort"> {
  readonly rewriting: unknown;
  readonly inside?: HubOptions;
  readonly world?: HubOptions;
}

const DOMAINS = {
  "example.org": { verify: "off" },
  "corp.example.org": {
    recipients: {
      list: ["j.doe@corp.example.org", "ann@corp.example.org", "full@corp.example.org"],
    },
  },
};

/** A gateway between a hub and the world, each a recording server, with a policy of rewriting. */
export async function startRewritingEdge(options: RewritingEdgeOptions): Promise<RewritingEdge> {
  await using starting = new AsyncDisposableStack();
  const inside = await startScriptedHub(options.inside ?? {});
  starting.defer(() => inside.close());
  const world = await startScriptedHub(options.world ?? {});
  starting.defer(() => world.close());
  const edge = await startTestGateway({
    ...options,
    hubPort: inside.port,
    policies: {
      domains: { domains: DOMAINS },
      routing: { connectors: toConnectors(inside.port, world.port) },
      rewriting: options.rewriting,
      ...options.policies,
    },
    settings: {
      listeners: [
        { name: "internet", listen: "127.0.0.1:0" },
        { name: "inside", kind: "hub", listen: "127.0.0.1:0", from: ["127.0.0.0/8"] },
      ],
      ...options.settings,
    },
  });
  starting.defer(() => edge.remove());
  const hubListener = edge.gateway.listeners.find(({ name }) => name === "inside");
  assert.ok(hubListener);
  const open = starting.move();
  return {
    edge,
    inside,
    world,
    receive: (mail) => sendMail({ port: edge.port, ...mail }),
    send: (mail) => sendMail({ port: hubListener.port, ...mail }),
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

export function toConnectors(insidePort: number, worldPort: number) {
  return {
    inside: {
      domains: ["example.org", "corp.example.org"],
      smarthosts: [`127.0.0.1:${insidePort}`],
    },
    world: { domains: ["*"], smarthosts: [`127.0.0.1:${worldPort}`] },
  };
}

/** What a server got, without the fields that the gateway put on top. */
export function asSent(data: Buffer): string {
  const text = data.toString("latin1");
  const ours =
    /^(?:(?:Received|Authentication-Results|Received-SPF|X-Postern-[A-Za-z-]+|X-Spam-[A-Za-z]+):[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)+/;
  return text.replace(ours, "");
}
