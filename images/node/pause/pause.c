/* The first process of every pod: it holds the pod's namespaces open, and buries the children that others leave. */

#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	sigset_t signals;
	int signal;

	/* Blocked signals are fetched one by one below, so no handler can race with the wait. Both INT and TERM count:
	 * runtimes send the image's stop signal, people press Ctrl-C. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);

	while (sigwait(&signals, &signal) == 0) {
		if (signal != SIGCHLD)
			return 0;
		/* One SIGCHLD may stand for several dead children. */
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	return 1;
}
