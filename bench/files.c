/* SPDX-License-Identifier: MIT */
/* A file for each object; file and folder are synced before it counts as stored. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "floor.h"

static int folder_fd = -1;

static int failed(const char *what)
{
	perror(what);
	return 0;
}

static void name_of(uint64_t number, char name[24])
{
	snprintf(name, 24, "%016" PRIx64, number);
}

static int open_folder(const char *path, unsigned threads, uint64_t *ret_count)
{
	const struct dirent *entry;
	DIR *folder;

	if (mkdir(path, 0777) != 0 && errno != EEXIST)
		return failed(path);
	folder = opendir(path);
	if (!folder)
		return failed(path);
	*ret_count = 0;
	while ((entry = readdir(folder)))
		*ret_count += entry->d_name[0] != '.';
	closedir(folder);
	folder_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder_fd >= 0 ? 1 : failed(path);
}

static int put(unsigned thread, uint64_t number, const char data[FLOOR_SIZE])
{
	char name[24];
	int stored;
	int fd;

	name_of(number, name);
	fd = openat(folder_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return failed(name);
	stored = write(fd, data, FLOOR_SIZE) == FLOOR_SIZE && fsync(fd) == 0;
	if (close(fd) != 0 || !stored || fsync(folder_fd) != 0)
		return failed(name);
	return 1;
}

static int get(unsigned thread, uint64_t number, char data[FLOOR_SIZE])
{
	char name[24];
	ssize_t length;
	int fd;

	name_of(number, name);
	fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return failed(name);
	length = read(fd, data, FLOOR_SIZE);
	close(fd);
	return length == FLOOR_SIZE ? 1 : failed(name);
}

static void close_folder(void)
{
	close(folder_fd);
}

int main(int argc, char **argv)
{
	static const struct floor files = {
		.name = "files",
		.open = open_folder,
		.put = put,
		.get = get,
		.close = close_folder,
	};

	return floor_main(argc, argv, &files);
}
