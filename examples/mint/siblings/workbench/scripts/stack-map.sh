#!/usr/bin/env bash
# Which stack is deployed how and where. Sourced by the deploy command.
declare -A DEPLOY_STACK_METHOD DEPLOY_STACK_HOST DEPLOY_STACK_PATH DEPLOY_STACK_COMPOSE_FILE

DEPLOY_STACK_METHOD[mint-apps]="compose"
DEPLOY_STACK_HOST[mint-apps]="mint-apps"
DEPLOY_STACK_PATH[mint-apps]="/opt/stacks/mint-apps"
DEPLOY_STACK_COMPOSE_FILE[mint-apps]="docker-compose.yml"

DEPLOY_STACK_METHOD[mint-data]="compose"
DEPLOY_STACK_HOST[mint-data]="mint-data"
DEPLOY_STACK_PATH[mint-data]="/opt/stacks/mint-data"
DEPLOY_STACK_COMPOSE_FILE[mint-data]="docker-compose.yml"

DEPLOY_STACK_METHOD[calendar-home]="compose"
DEPLOY_STACK_HOST[calendar-home]="communications-stack"
DEPLOY_STACK_PATH[calendar-home]="/opt/stacks/calendar-home"
DEPLOY_STACK_COMPOSE_FILE[calendar-home]="docker-compose.yml"
