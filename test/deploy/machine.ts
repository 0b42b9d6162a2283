import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { readIfThere } from "../../scripts/lib/proc.ts";
import { type CommandOptions, type Output, outcome, output } from "../../scripts/lib/shell.ts";
import { until } from "../../scripts/lib/until.ts";
import { readChildren } from "../proc.ts";
import { makeOnce } from "./once.ts";

/**
 * What a base root has beyond the essential packages: both kinds of init, and what tests look with.
 */
const PACKAGES = [
  ...["systemd", "sysvinit-core", "dbus", "procps", "iproute2", "socat", "cron", "haproxy"],
  ...["python3", "adduser", "curl", "rpm"],
].join(",");

/**
 * Where not only what is installed changes: logs, what dpkg, apt and systemd keep, what is in
 * memory.
 */
const NOISE =
  "/proc /sys /dev /run /tmp /var/tmp /var/log /var/lib/dpkg /var/cache /var/lib/systemd /var/lib/dbus";

/** A Debian root directory; machines are copies of it and never change it. */
export function baseRoot(): Promise<string> {
  const options = ["--mode=root", "--variant=apt", `--include=${PACKAGES}`];
  return makeOnce("base", async (directory) => {
    await output(["mmdebstrap", ...options, "bookworm", directory], { limit: 1200 });
  });
}

/** How long a machine may take for what it does in seconds when nothing else runs (ms). */
const DEADLINE = 180_000;

type Init = "systemd" | "sysv" | "none";

/** The first process of a machine, and whether it has started everything; `none` starts nothing. */
const INITS: Record<Init, { command: string[]; hasBooted: (_: Machine) => Promise<boolean> }> = {
  systemd: {
    command: ["/lib/systemd/systemd"],
    async hasBooted(machine) {
      const { stdout } = await machine.try("systemctl is-system-running");
      if (stdout.trim() === "degraded") {
        throw new Error(await machine.run("systemctl --failed --no-legend --plain"));
      }
      return stdout.trim() === "running";
    },
  },
  sysv: {
    command: ["/sbin/init", "2"],
    // Run level 2 is reached once init has run its scripts; until then there is no utmp record of it.
    async hasBooted(machine) {
      const level = await machine.try("runlevel");
      const { stdout } = await machine.try("pgrep -f /etc/init.d/rc");
      return stdout === "" && level.stdout.trim().endsWith("2");
    },
  },
  none: { command: ["sleep", "infinity"], hasBooted: () => Promise.resolve(true) },
};

interface MachineOptions {
  readonly init?: Init;
  /**
   * The directory that it is a copy of, when it is not the base root; `/` has all tools of this
   * machine.
   */
  readonly base?: string;
  /** Files and directories from outside that it sees, read-only: sources by path. */
  readonly binds?: Record<string, string>;
}

/** A Debian machine; `await using machine = await bootMachine()` switches it off and removes it. */
export class Machine implements AsyncDisposable {
  /** Its first process. */
  leader = 0;
  #process: Bun.Subprocess | undefined;

  constructor(
    readonly init: Init,
    readonly base: string,
    /** What differs from the base. */
    readonly upper: string,
    /** Lines of "SOURCE PATH". */
    readonly binds: string,
  ) {}

  /** Switches it on and waits until its init has started everything. */
  async boot(): Promise<void> {
    const { command, hasBooted } = INITS[this.init];
    const words = [basename(this.upper), this.base, this.upper, this.binds, ...command];
    const process = Bun.spawn([`${import.meta.dir}/boot.sh`, ...words], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    this.#process = process;
    this.leader = await until("the machine's first process", () => {
      const [child] = readChildren(process.pid);
      // Until the last step of the boot script its first process is a shell.
      const isInit = /^(systemd|init|sleep)$/m.test(readIfThere(`/proc/${child}/comm`));
      return isInit ? child : undefined;
    });
    await until(`${this.init} has booted`, () => hasBooted(this), DEADLINE);
  }

  /** Cuts its power. */
  async switchOff(): Promise<void> {
    this.#process?.kill("SIGKILL");
    await this.#process?.exited;
    // Its first process ends after all others; only then are its mounts gone, and can be made again.
    const status = Bun.file(`/proc/${this.leader}/status`);
    await until(
      "the machine is off",
      async () => {
        const text = await status.text().catch(() => "");
        return text === "" || /^State:\tZ/m.test(text);
      },
      DEADLINE,
    );
  }

  /** A command that runs another one in all of its namespaces, with root's environment. */
  #enter(command: string | string[]): string[] {
    const words = typeof command === "string" ? command.split(" ") : command;
    return [...`nsenter -t ${this.leader} -a -- env -i`.split(" "), ...ENVIRONMENT, ...words];
  }

  /** Runs a command that must succeed, and returns what it wrote. */
  async run(command: string | string[], options: CommandOptions = {}): Promise<string> {
    return await output(this.#enter(command), options);
  }

  /** Runs a shell script that must succeed, and returns what it wrote. */
  async sh(script: string): Promise<string> {
    return await this.run(["sh", "-ec", script]);
  }

  /** Runs a command, whatever its exit code. */
  async try(command: string | string[], options: CommandOptions = {}): Promise<Output> {
    return await outcome(this.#enter(command), options);
  }

  /** Writes a file of the machine. */
  async write(path: string, text: string): Promise<void> {
    await this.run(["sh", "-c", 'mkdir -p "$(dirname "$0")" && cat >"$0"', path], { input: text });
  }

  async read(path: string): Promise<string> {
    return await this.run(["cat", path]);
  }

  /** Asks the agent on this machine as HAProxy does, and returns the line without its newline. */
  async ask(port = 9777, host = "127.0.0.1"): Promise<string> {
    const { stdout } = await this.try(["socat", "-t30", "-T30", "-", `TCP:${host}:${port}`]);
    return stdout.trimEnd();
  }

  /** Waits until the agent on this machine answers this line. */
  async answers(reply: string, port = 9777): Promise<void> {
    let last = "";
    const isReply = async () => {
      last = await this.ask(port);
      return last === reply;
    };
    await until(() => `reply ${reply}, not ${JSON.stringify(last)}`, isReply, DEADLINE);
  }

  /** What systemd knows of a unit: one property. */
  async property(unit: string, name: string): Promise<string> {
    return await this.run(["systemctl", "show", "--value", `--property=${name}`, unit]);
  }

  /** All that a unit has logged so far: the journal comes after it. */
  async journal(unit: string): Promise<string> {
    await this.run("journalctl --sync");
    return await this.run(["journalctl", "--output=cat", `--unit=${unit}`]);
  }

  /** Every file, directory and user that an installation can leave, or those that `find` is told. */
  async inventory(which = "-true"): Promise<string[]> {
    const prune = NOISE.split(" ").flatMap((path) => ["-path", path, "-prune", "-o"]);
    const files = await this.run(["find", "/", "-xdev", ...prune, ...which.split(" "), "-print"]);
    // Copies of the lists of users, which tools make before they write.
    const kept = files
      .split("\n")
      .filter((path) => !/^\/etc\/(passwd|group|shadow|gshadow)-$/.test(path));
    const users = [await this.read("/etc/passwd"), await this.read("/etc/group")];
    return [...kept.toSorted((a, b) => a.localeCompare(b)), ...users];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.switchOff();
    for (const suffix of ["", ".root", ".work"]) {
      rmSync(this.upper + suffix, { recursive: true, force: true });
    }
  }
}

const ENVIRONMENT = [
  "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  "HOME=/root",
  "LC_ALL=C.UTF-8",
  "DEBIAN_FRONTEND=noninteractive",
];

/** Boots a copy of the base root and waits until its init has started everything. */
export async function bootMachine(options: MachineOptions = {}): Promise<Machine> {
  const base = options.base ?? (await baseRoot());
  const upper = mkdtempSync(join(tmpdir(), "machine-"));
  // It is the machine's root directory, which everybody may enter.
  chmodSync(upper, 0o755);
  const binds = Object.entries(options.binds ?? {}).map(([path, source]) => `${source} ${path}\n`);
  const machine = new Machine(options.init ?? "systemd", base, upper, binds.join(""));
  try {
    await machine.boot();
    return machine;
  } catch (error) {
    await machine[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * Asks the agent on a machine again and again, as a load balancer does, which ends its side last;
 * `stop` returns all that came, each once.
 */
export function startPoller(machine: Machine, port = 9777): { stop: () => Promise<string[]> } {
  const end = `/run/poller-${port}.end`;
  const script = `while
      reply=$(socat -u -T60 TCP:127.0.0.1:${port} - 2>/dev/null) || reply="exit code $?"
      echo "\${reply:-nothing}"
      ! [ -e ${end} ]
    do :; done | sort -u; rm ${end}`;
  const polling = machine.try(["sh", "-c", script], { limit: 1800 });
  return {
    async stop() {
      await machine.write(end, "");
      return (await polling).stdout.trimEnd().split("\n");
    },
  };
}
