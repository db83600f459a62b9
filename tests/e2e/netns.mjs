// Hosts of their own on one machine: each a network namespace on a common bridge, whose packets can be made to
// vanish or be refused. A program that uses it runs in namespaces of network, mounts and processes itself
// (inNamespaces()), so that the kernel takes everything away with it, whatever becomes of it.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { start, until } from './harness.mjs';
import { wrapped } from './journal.mjs';

const ENTER = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
const NET = '10.77.0';

// What keeps this machine from it; null: nothing.
export function missing() {
    const ran = spawnSync('unshare', [...ENTER, 'sh', '-c', 'ip link add br0 type bridge && ip link add v0 type veth && iptables -L -n'], { encoding: 'utf8' });
    return ran.status === 0 ? null : `needs network namespaces with a bridge, veth and iptables: ${(ran.stderr ?? ran.error?.message ?? '').trim()}`;
}

// Runs a script there to its end, `env` beside what there is: {status, said}. With 'inherit' it speaks itself.
export function inNamespaces(script, args, ms, env = {}, output = 'pipe') {
    const child = spawn('unshare', [...ENTER, process.execPath, script, ...args], {
        stdio: ['ignore', output, output],
        env: { ...process.env, ...env },
    });
    const parts = [];
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (part) => parts.push(part));
    const timer = setTimeout(() => child.kill('SIGKILL'), ms);
    const kill = () => child.kill('SIGKILL'); // also when the test itself is ended
    process.on('exit', kill);
    return new Promise((done) =>
        child.on('close', (status, signal) => {
            clearTimeout(timer);
            process.off('exit', kill);
            done({ status, said: `${Buffer.concat(parts).toString('utf8')}${signal ? `\nended by ${signal}` : ''}` });
        }),
    );
}

function run(program, ...args) {
    const ran = spawnSync(program, args, { encoding: 'utf8' });
    assert.equal(ran.status, 0, `${program} ${args.join(' ')}: ${ran.stderr}`);
    return ran.stdout;
}

class Host {
    #rules = []; // of iptables, as they were added

    constructor(name, n) {
        this.name = name;
        this.host = `${NET}.${n}`;
    }

    async open(n) {
        const { child } = start('unshare', ['-n', 'sleep', 'infinity']);
        this.enter = ['nsenter', '-t', String(child.pid), '-n'];
        const ours = readlinkSync('/proc/self/ns/net');
        await until(`a network of ${this.name}`, () => readlinkSync(`/proc/${child.pid}/ns/net`) !== ours);
        run('ip', 'link', 'add', `veth${n}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(child.pid));
        run('ip', 'link', 'set', `veth${n}`, 'master', 'br0', 'up');
        this.#in('ip', 'link', 'set', 'lo', 'up');
        this.#in('ip', 'addr', 'add', `${this.host}/24`, 'dev', 'eth0');
        this.#in('ip', 'link', 'set', 'eth0', 'up');
    }

    #in(...command) {
        const [program, ...args] = [...this.enter, ...command];
        return run(program, ...args);
    }

    // As Nats wants it.
    get server() {
        return { host: this.host, wrap: this.enter };
    }

    // As Cluster wants it.
    get node() {
        return { host: this.host, wrap: (bin) => wrapped(bin, `exec ${this.enter.join(' ')}`) };
    }

    // What comes from these hosts no longer arrives here. `how`: drop, or reject: the sender is told.
    deafen(others, how = 'drop') {
        const target = how === 'reject' ? ['-p', 'tcp', '-j', 'REJECT', '--reject-with', 'tcp-reset'] : ['-j', 'DROP'];
        for (const { host } of others) this.#rule(['INPUT', '-s', host, ...target]);
    }

    // What goes to these hosts no longer leaves here.
    mute(others, how = 'drop') {
        const target = how === 'reject' ? ['-p', 'tcp', '-j', 'REJECT', '--reject-with', 'tcp-reset'] : ['-j', 'DROP'];
        for (const { host } of others) this.#rule(['OUTPUT', '-d', host, ...target]);
    }

    cut(others, how) {
        this.deafen(others, how);
        this.mute(others, how);
    }

    #rule(rule) {
        this.#in('iptables', '-w', '-A', ...rule);
        this.#rules.push(rule);
    }

    heal() {
        for (const rule of this.#rules.splice(0)) this.#in('iptables', '-w', '-D', ...rule);
    }
}

// As many hosts as are named, all of which reach each other and this process.
export async function hosts(...names) {
    run('ip', 'link', 'set', 'lo', 'up');
    run('ip', 'link', 'add', 'br0', 'type', 'bridge');
    run('ip', 'addr', 'add', `${NET}.1/24`, 'dev', 'br0');
    run('ip', 'link', 'set', 'br0', 'up');
    const all = names.map((name, i) => new Host(name, 11 + i));
    for (const [i, host] of all.entries()) await host.open(11 + i);
    return all;
}
