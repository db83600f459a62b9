// report.mjs - turns the runs of scripts/bench into tables, targets met and missed, and plots.
//   node bench/report.mjs RUNS.jsonl REFERENCES.jsonl [--save FILE_WITHOUT_SUFFIX]
//   node bench/report.mjs --line RUN.json      one run's main figures, for the terminal
//   node bench/report.mjs --others RUN.json    how much of its cores others took, in percent
//   node bench/report.mjs --reference NAME REASON VERSION    a line of REFERENCES.jsonl
//   node bench/report.mjs --plot RESULTS.json  the plots of saved results, beside them
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ALL_KINDS, columnsOf, mainFigures, others, shown, summarize } from './figures.mjs';
import { plots } from './plot.mjs';
import { judge } from './targets.mjs';

function shell(command, ...args) {
    try {
        return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    } catch {
        return '';
    }
}

function line(file) {
    try {
        return readFileSync(file, 'utf8').trim();
    } catch {
        return 'unknown';
    }
}

function thisMachine() {
    return {
        date: new Date().toISOString().slice(0, 16).replace('T', ' ') + ' UTC',
        cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
        cores: os.cpus().length,
        memory_gb: Math.round(os.totalmem() / 2 ** 30),
        kernel: `${os.type()} ${os.release()}`,
        congestion_control: line('/proc/sys/net/ipv4/tcp_congestion_control'),
        data_on: process.env.BENCH_FILESYSTEM ?? 'unknown',
        commit: shell('git', 'rev-parse', '--short', 'HEAD')
            + (shell('git', 'status', '--porcelain', '--untracked-files=no') ? ' with changes' : ''),
    };
}

// A table of the scenarios that have these columns.
function table(summary, columns, names) {
    const used = columns.filter(({ name }) => names.some((scenario) => summary[scenario].servers
        .some((server) => Number.isFinite(summary[scenario][server][name]?.median))));
    const lines = [
        `| scenario | connections | server | ${used.map(({ name }) => name).join(' | ')} |`,
        `|---|---:|---|${used.map(() => '---:|').join('')}`,
    ];
    for (const scenario of names) {
        const entry = summary[scenario];
        for (const server of entry.servers) {
            const failed = entry[server].failed ? ` (${entry[server].failed} of ${entry[server].runs} failed)` : '';
            lines.push(`| ${scenario} | ${entry.connections} | ${server}${failed} | ${used
                .map((column) => shown(column, entry[server][column.name]?.median)).join(' | ')} |`);
        }
        for (const [reference, ratio] of Object.entries(entry.ratio)) {
            lines.push(`| | | regcast / ${reference} | ${used.map(({ name }) => name in ratio
                ? `**${ratio[name].toFixed(ratio[name] < 0.1 ? 3 : 2)}**` : '').join(' | ')} |`);
        }
    }
    return lines.join('\n');
}

function targetTable(targets) {
    return ['## Targets', ['| scenario | target | measured | limit | |', '|---|---|---:|---:|---|',
        ...targets.map((t) => `| ${t.scenario} | ${t.what} | ${t.shown.value} | ${t.sign} ${t.shown.limit} | `
            + `${t.met ? 'met' : '**missed**'} |`)].join('\n')];
}

// Those of the servers of others that ran, and why others did not.
function referenceList(references) {
    return references.map(({ name, version, skipped }) =>
        `- ${name}: ${skipped ? `**skipped**, ${skipped}` : version}`).join('\n');
}

// How many runs each median is of: a number, or "2 to 5" where a bench was run in pieces.
export function roundsOf(runs) {
    const counts = new Map();
    for (const { scenario, server } of runs) counts.set(`${scenario} ${server}`, (counts.get(`${scenario} ${server}`) ?? 0) + 1);
    const least = Math.min(...counts.values()), most = Math.max(...counts.values());
    return least === most ? most : `${least} to ${most}`;
}

// results: {machine, rounds, references, runs}. The Markdown of them, without a title.
export function markdown({ machine, rounds, references = [], runs }) {
    const summary = summarize(runs);
    const names = Object.keys(summary);
    const targets = judge(summary);
    return [
        `${machine.date}, ${machine.cpu}, ${machine.cores} cores, ${machine.memory_gb} GB, ${machine.kernel}, `
            + `TCP ${machine.congestion_control}, data on ${machine.data_on}, commit ${machine.commit}; `
            + `medians of ${rounds} interleaved round${rounds === 1 ? '' : 's'}, ratios round by round`,
        ...references.length > 0 ? [referenceList(references)] : [],
        ...ALL_KINDS.map((columns) => [columns, names.filter((scenario) =>
            columnsOf(runs.find((r) => r.scenario === scenario).run) === columns)])
            .filter(([, having]) => having.length > 0).map(([columns, having]) => table(summary, columns, having)),
        ...targets.length > 0 ? targetTable(targets) : [],
    ].join('\n\n');
}

// Writes the plots that the results have the scenarios for; returns their files' names.
function writePlots(results, stem) {
    return plots({ ...results, summary: summarize(results.runs) }).map(({ name, svg }) => {
        const file = `${stem}-${name}.svg`;
        writeFileSync(file, svg);
        return file;
    });
}

function readLines(file) {
    return readFileSync(file, 'utf8').split('\n').filter((text) => text !== '').map((text) => JSON.parse(text));
}

function report(runsFile, referencesFile, stem) {
    const runs = readLines(runsFile);
    const references = readLines(referencesFile);
    const results = { machine: thisMachine(), rounds: roundsOf(runs), references, runs };
    const body = markdown(results);
    console.log(`\n${body}\n`);
    if (stem === undefined)
        return;
    const { runs: all, ...head } = results;
    const summary = summarize(all);
    const files = writePlots(results, stem);
    writeFileSync(`${stem}.json`,
        `${JSON.stringify({ ...head, targets: judge(summary), summary, runs: all }, null, 1)}\n`);
    writeFileSync(`${stem}.md`, [`# Fan-out and ingest, measured\n\n${body}`,
        ...files.map((file) => `![${path.basename(file, '.svg')}](${path.basename(file)})`),
        'What each column is and what the figures do not show: `bench/README.md`.\n'].join('\n\n'));
    console.error(`bench: written to ${[`${stem}.json`, `${stem}.md`, ...files].join(', ')}`);
}

function main([first, second, third, fourth]) {
    const run = () => JSON.parse(readFileSync(second, 'utf8'));
    if (first === '--line')
        console.log(mainFigures(run()));
    else if (first === '--others') // in percent, for scripts/bench to decide by
        console.log(Math.round(100 * others(run())));
    else if (first === '--reference')
        console.log(JSON.stringify(third ? { name: second, skipped: third } : { name: second, version: fourth }));
    else if (first === '--plot')
        console.error(`bench: written to ${writePlots(run(), second.replace(/\.json$/, '')).join(', ') || 'nothing: no scenario with a plot'}`);
    else
        report(first, second, third === '--save' ? fourth : undefined);
}

if (process.argv[1] === fileURLToPath(import.meta.url))
    main(process.argv.slice(2));
