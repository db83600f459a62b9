// A program of the SDK's users: makes a trigger with a service account's key, and says who made it.
//   node tests/e2e/sdk-account.mjs ADDRESS ACCOUNT_JSON
// Only where tokens are asked for is changed: the SDK reads that from a file of its own.
import { createRequire } from 'node:module';
import { Session } from '@yandex-cloud/nodejs-sdk';
import { triggerService } from '@yandex-cloud/nodejs-sdk/serverless-triggers-v1';
import { request } from './sdk.mjs';

const [address, account] = process.argv.slice(2);
const sdk = createRequire(createRequire(import.meta.url).resolve('@yandex-cloud/nodejs-sdk'));
sdk('./service-endpoints-map.json')['yandex.cloud.iam.v1.IamTokenService'] = address;

const session = new Session({ serviceAccountJson: JSON.parse(account) });
const triggers = session.client(triggerService.TriggerServiceClient, address);
const made = await triggers.create(triggerService.CreateTriggerRequest.fromPartial(request('by-key')));
console.log(`made by ${made.createdBy}`);
process.exit(0); // the SDK's connections stay open
