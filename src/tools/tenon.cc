#include "commands/main.h"

int main(int argc, char** argv) { return tenon::commands::run_command_line(argc, argv); }
