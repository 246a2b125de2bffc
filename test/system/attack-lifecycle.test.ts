import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { findFreeTcpPort } from "../support/free-port.ts";
import { type GatewayProcess, spawnGateway } from "../support/gateway-process.ts";
import { RawClient } from "../support/raw-client.ts";
import { type HubOptions, type ScriptedHub, startScriptedHub } from "../support/scripted-hub.ts";
import { SIMPLE_MESSAGE, sendMail } from "../support/send-mail.ts";
import { startTestGateway, type TestGateway, writeGatewayFiles } from "../support/test-gateway.ts";
import { waitUntil } from "../support/wait-until.ts";

const MAIN = join(import.meta.dirname, "../../src/main.ts");
/** A start that fails takes two seconds; whatever is left running after this never ends. */
const EXIT_LIMIT_MS = 20_000;

interface Exit {
  readonly code: number | null;
  readonly stderr: string;
}

/** `postern serve` that is expected to end by itself. */
async function serveUntilExit(settingsFile: string): Promise<Exit> {
  const argv = [MAIN, "serve", "--settings", settingsFile];
  const limits = { timeout: EXIT_LIMIT_MS, killSignal: "SIGKILL" } as const;
  try {
    const { stderr } = await promisify(execFile)(process.execPath, argv, limits);
    return { code: 0, stderr };
  } catch (error) {
    const { code, stderr } = error as { code: number | null; stderr: string };
    return { code, stderr };
  }
}

async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "postern-attack-"));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function withHub(
  options: HubOptions,
  work: (hub: ScriptedHub) => Promise<void>,
): Promise<void> {
  const hub = await startScriptedHub(options);
  try {
    await work(hub);
  } finally {
    await hub.close();
  }
}

async function openTransaction(port: number): Promise<RawClient> {
  const client = await RawClient.open({ port });
  await client.reply();
  await client.say("EHLO mail.friend.test");
  await client.say("MAIL FROM:<carol@friend.test>");
  await client.say("RCPT TO:<alice@example.org>");
  return client;
}

test("a port in use is named, ends the start with exit 2, and leaves the data folder free", async () => {
  await withFolder(async (folder) => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as AddressInfo;
    const listeners = [{ name: "internet", listen: `127.0.0.1:${port}` }];
    const file = await writeGatewayFiles(folder, { hubPort: 9, settings: { listeners } });
    const { code, stderr } = await serveUntilExit(file);
    taken.close();
    assert.equal(code, 2);
    assert.match(stderr, new RegExp(`EADDRINUSE.*127\\.0\\.0\\.1:${port}`));
    const edge = await startTestGateway({ hubPort: 9, folder });
    await edge.stop();
  });
});

test("nobody else can open what lies in the data folder, whatever its mode and the umask", async () => {
  await withFolder(async (folder) => {
    const dataDir = join(folder, "data");
    await mkdir(dataDir);
    await chmod(dataDir, 0o755);
    const before = process.umask(0);
    try {
      const edge = await startTestGateway({ hubPort: 9, folder });
      try {
        await sendMail({ port: edge.port, message: SIMPLE_MESSAGE });
        await edge.waitForLog("decided");
        const names = await readdir(dataDir, { recursive: true });
        const open: string[] = [];
        for (const name of names) {
          const found = await stat(join(dataDir, name)).catch(() => null);
          if (found && (found.mode & 0o077) !== 0) open.push(name);
        }
        assert.ok(names.includes("tracking/tracking.db-wal"), names.join(" "));
        assert.deepEqual(open, []);
      } finally {
        await edge.stop();
      }
    } finally {
      process.umask(before);
    }
  });
});

test("a second gateway on a data folder is refused, and told who has it", async () => {
  await withFolder(async (folder) => {
    const edge = await startTestGateway({ hubPort: 9, folder });
    try {
      const { code, stderr } = await serveUntilExit(edge.settingsFile);
      assert.equal(code, 2);
      assert.match(stderr, new RegExp(`held by a gateway with process id ${process.pid}`));
      assert.equal((await sendMail({ port: edge.port, message: SIMPLE_MESSAGE })).final?.code, 250);
    } finally {
      await edge.stop();
    }
  });
});

async function withProcess(
  folder: string,
  hubPort: number,
  work: (gateway: GatewayProcess, port: number) => Promise<void>,
): Promise<void> {
  const settingsFile = await writeGatewayFiles(folder, { hubPort });
  const gateway = spawnGateway({ settingsFile });
  try {
    await work(gateway, await gateway.listening());
  } finally {
    await gateway.kill();
  }
}

test("SIGHUP with a broken policy is refused in the log, and the old policy goes on", async () => {
  await withHub({}, (hub) =>
    withFolder((folder) =>
      withProcess(folder, hub.port, async (gateway, port) => {
        await writeFile(join(folder, "policies", "domains.yaml"), "domains: [nonsense\n");
        process.kill(gateway.pid, "SIGHUP");
        await waitUntil(
          () => `no refusal in ${gateway.output()}`,
          () => (/domains\.yaml/.test(gateway.output()) ? true : undefined),
        );
        const sent = await sendMail({ port, message: SIMPLE_MESSAGE });
        assert.equal(sent.final?.code, 250);
        assert.equal(hub.messages.length, 1);
      }),
    ),
  );
});

test("SIGTERM lets a message under way end, tells idle clients 421, and takes no new ones", async () => {
  await withHub({}, (hub) =>
    withFolder((folder) =>
      withProcess(folder, hub.port, async (gateway, port) => {
        const idle = await RawClient.open({ port });
        await idle.reply();
        const busy = await openTransaction(port);
        await busy.say("DATA");
        busy.send(SIMPLE_MESSAGE);
        const stopped = gateway.stop();
        assert.match(await idle.closed(), /^421 4\.3\.2 /);
        await assert.rejects(RawClient.open({ port }));
        assert.match((await busy.say(".")).text, /^250 2\.0\.0 .*\(ref /);
        await stopped;
        assert.equal(hub.messages.length, 1);
        await gateway.told(/"event":"stopped"/);
      }),
    ),
  );
});

/** A client that has sent its final dot while the hub thinks about the message. */
async function withThinkingHub(
  work: (edge: TestGateway, client: RawClient, hub: ScriptedHub) => Promise<void>,
  waitSeconds: number,
  onDot: HubOptions["script"],
): Promise<void> {
  await withHub({ ...(onDot && { script: onDot }) }, async (hub) => {
    const policies = { limits: { delivery: { waitSeconds } } };
    const edge = await startTestGateway({ hubPort: hub.port, policies });
    try {
      const client = await openTransaction(edge.port);
      await client.say("DATA");
      client.send(`${SIMPLE_MESSAGE}.\r\n`);
      await hub.waitFor(() => hub.count("dot") === 1);
      await work(edge, client, hub);
    } finally {
      await edge.remove();
    }
  });
}

test("a stop in the middle of deliver-through waits for the hub, and the client hears it", async () => {
  const { promise: thinking, resolve: answer } = Promise.withResolvers<void>();
  const script: HubOptions["script"] = async ({ step }) => {
    if (step === "dot") await thinking;
    return undefined;
  };
  await withThinkingHub(
    async (edge, client, hub) => {
      const stopped = edge.gateway.stop(5000);
      await edge.waitForLog("stopping");
      answer();
      assert.match((await client.reply()).text, /^250 2\.0\.0 /);
      await stopped;
      assert.equal(hub.messages.length, 1);
    },
    20,
    script,
  );
});

test("a hub that never answers its dot does not keep the gateway, nor is the promise lost", async () => {
  const script: HubOptions["script"] = ({ step }) => (step === "dot" ? { hang: true } : undefined);
  await withThinkingHub(
    async (edge, client) => {
      assert.match((await client.reply()).text, /^250 2\.0\.0 /);
      const begun = performance.now();
      await edge.gateway.stop(500);
      assert.ok(performance.now() - begun < 4000, "it stops within the deadline");
      const spool = join(edge.folder, "data", "spool");
      const left = [
        ...(await readdir(join(spool, "due"))),
        ...(await readdir(join(spool, "active"))),
      ];
      assert.equal(left.length, 1, "what was promised is on disk");
    },
    1,
    script,
  );
});

test("a stop takes no longer than its deadline, whoever is waited for", async () => {
  const script: HubOptions["script"] = ({ step }) => (step === "dot" ? { hang: true } : undefined);
  await withThinkingHub(
    async (edge, client) => {
      const begun = performance.now();
      await edge.gateway.stop(3000);
      assert.ok(performance.now() - begun < 5000, "one deadline for clients and hub together");
      assert.equal(await client.closed(), "", "nothing was promised");
    },
    20,
    script,
  );
});

test("what a stopped gateway owed is delivered by the next one, once", async () => {
  const port = await findFreeTcpPort();
  const edge = await startTestGateway({ hubPort: port });
  try {
    assert.equal((await sendMail({ port: edge.port, message: SIMPLE_MESSAGE })).final?.code, 250);
    await edge.stop();
    await withHub({ port }, async (hub) => {
      const next = await startTestGateway({ hubPort: port, folder: edge.folder });
      await hub.waitForMessages(1);
      await next.waitForLog("delivered");
      await next.stop();
      const last = await startTestGateway({ hubPort: port, folder: edge.folder });
      await last.stop();
      assert.equal(hub.messages.length, 1);
    });
  } finally {
    await edge.remove();
  }
});
